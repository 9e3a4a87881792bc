"""Contrastive loss on the distance of two embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from avel.floats import at_least_float32

EPS = 1e-7
"""Smallest squared distance, so that the root has a gradient."""


def pair_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the Euclidean distance of embeddings (…, E) and (…, E), (…); other axes broadcast.

    Computed in float32 at least, whatever the precision of the network; never below the root of `EPS`.
    """
    difference = at_least_float32(first - second)
    return difference.square().sum(dim=-1).clamp(min=EPS).sqrt()


def contrastive_loss(distance: Tensor, match: Tensor, margin: float) -> Tensor:
    """Draw matching pairs together and push others apart up to a margin (Hadsell et al., CVPR 2006); mean over pairs.

    Args:
        distance: of the two embeddings of each pair, any shape.
        match: whether they belong together, bool, same shape.
        margin: distance from which on a pair that does not match costs nothing.
    """
    return torch.where(match, distance, (margin - distance).relu()).square().mean()
