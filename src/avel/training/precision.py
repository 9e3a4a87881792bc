"""What trainers may compute in."""

from __future__ import annotations

import torch

from avel.errors import UserError, check_choice

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def check_precision(precision: str, accelerator: str) -> None:
    """Refuse a precision that methods are not made for, or that the device does not have.

    Args:
        precision: of the trainer; with the last two, times, scores, losses and suppression stay in float32 (see
            `avel.floats`).
        accelerator: of the trainer, e.g. "cpu", "gpu" or "auto".

    Raises:
        UserError: an unknown precision, or float16 on a CPU, where Lightning would silently take bfloat16.
    """
    check_choice("trainer.precision", str(precision), PRECISIONS)
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available())
    if precision == "16-mixed" and on_cpu:
        raise UserError("trainer.precision=16-mixed: needs a GPU (trainer=gpu); on a CPU take bf16-mixed")
