"""Devices that networks run on, as users name them."""

from __future__ import annotations

import torch

from avel.errors import UserError


def usable_device(name: str) -> torch.device:
    """Return the device of that name, such as "cpu" or "cuda:1".

    Raises:
        UserError: this machine has none.
    """
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device={name}: {error}") from None
