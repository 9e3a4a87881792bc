"""Sigmoid focal loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from avel.floats import at_least_float32


def sigmoid_focal_loss(logits: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Return the focal loss of independent binary decisions (Lin et al., ICCV 2017), not reduced.

    Computed in float32 at least, whatever the precision of the network.

    Args:
        logits: any shape.
        targets: probabilities of the same shape: 0, 1, or smoothed.
        alpha: weight of the positives; negatives weigh 1 - alpha.
        gamma: exponent that quiets decisions which are already right.

    Returns:
        Losses, same shape.
    """
    logits = at_least_float32(logits)
    targets = targets.to(logits)
    entropy = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    miss = targets * torch.sigmoid(-logits) + (1 - targets) * torch.sigmoid(logits)  # 1 - p_t without cancellation
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return weight * miss**gamma * entropy


def smooth_labels(targets: Tensor, epsilon: float) -> Tensor:
    """Move multi-hot targets (…, C) towards the uniform distribution over C classes and the background."""
    return targets * (1 - epsilon) + epsilon / (targets.shape[-1] + 1)
