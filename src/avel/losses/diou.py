"""Centre-distance IoU loss on offsets."""

from __future__ import annotations

import torch
from torch import Tensor

from avel.floats import at_least_float32


def centre_diou_loss(predicted: Tensor, target: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Return the 1-D distance-IoU loss (Zheng et al., AAAI 2020), not reduced.

    Both segments are given by their non-negative distances (left, right) from one common point, so they
    intersect. The loss is 1 - tIoU + (distance of the centres / length of the hull)²: 0 for equal segments,
    at most 1.25. Computed in float32 at least, whatever the precision of the network.

    Args:
        predicted: (…, 2).
        target: (…, 2).
        epsilon: smallest length to divide by; two empty segments have tIoU 0.

    Returns:
        Losses, (…).
    """
    predicted = at_least_float32(predicted)
    target = target.to(predicted)
    intersection = torch.minimum(predicted, target).sum(dim=-1)
    hull = torch.maximum(predicted, target).sum(dim=-1).clamp(min=epsilon)
    union = (predicted.sum(dim=-1) + target.sum(dim=-1) - intersection).clamp(min=epsilon)
    left, right = (predicted - target).unbind(dim=-1)
    return 1 - intersection / union + (0.5 * (right - left) / hull).square()
