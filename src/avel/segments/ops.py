"""Overlap of time segments."""

from __future__ import annotations

import torch
from torch import Tensor


def tiou(a: Tensor, b: Tensor, *, length_epsilon: float = 0.0) -> Tensor:
    """Temporal intersection over union of every segment of `a` with every segment of `b`.

    Two empty segments have tIoU 0, also when they are equal.

    Args:
        a: (..., N, 2) segments as (start, end), any unit, start <= end.
        b: (..., M, 2) segments in the same unit and dtype.
        length_epsilon: added to every length, as the released NMS operators do (1e-6).

    Returns:
        (..., N, M) tIoU.
    """
    start_a, end_a = a[..., :, None, :].unbind(dim=-1)
    start_b, end_b = b[..., None, :, :].unbind(dim=-1)
    return tiou_from_bounds(
        start_a, end_a, end_a - start_a + length_epsilon, start_b, end_b, end_b - start_b + length_epsilon
    )


def tiou_from_bounds(
    start_a: Tensor, end_a: Tensor, length_a: Tensor, start_b: Tensor, end_b: Tensor, length_b: Tensor
) -> Tensor:
    """Elementwise tIoU of segments whose bounds and lengths lie in tensors that broadcast against each other."""
    intersection = (torch.minimum(end_a, end_b) - torch.maximum(start_a, start_b)).clamp_(min=0)
    union = length_a + length_b - intersection
    return intersection.div_(union.clamp_(min=torch.finfo(union.dtype).tiny))
