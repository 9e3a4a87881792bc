"""What stays in float32 where a trainer computes in half precision: times, scores, losses.

bfloat16 has 8 significant bits: a moment behind second 256 is known to 2 seconds, and scores soon tie.
"""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Return half-precision numbers in float32, others as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def full_precision(device: torch.device) -> torch.autocast:
    """Return a context in which nothing is brought to half precision, whatever surrounds it."""
    return torch.autocast(device.type, enabled=False)
