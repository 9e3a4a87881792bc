"""Stochastic depth with a learned per-channel scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AffineDropPath(nn.Module):
    """Scales a residual branch per channel and drops it for whole samples while training.

    LayerScale (Touvron et al., ICCV 2021) with stochastic depth (Huang et al., ECCV 2016), combined as in ActionFormer.

    Args:
        dim: channels D.
        probability: chance that the branch of one sample is dropped.
        initial_scale: first value of the scale: small, so that every block starts close to the identity.
    """

    def __init__(self, dim: int, probability: float, initial_scale: float = 1e-4) -> None:
        super().__init__()
        self.probability = probability
        self.scale = nn.Parameter(torch.full((dim,), initial_scale))

    def forward(self, x: Tensor) -> Tensor:
        """Scale (N, T, D); rows are dropped and the others rescaled in training mode."""
        x = x * self.scale
        if not self.training or self.probability == 0:
            return x
        keep = 1 - self.probability
        return x * (x.new_empty(len(x), 1, 1).bernoulli_(keep) / keep)


def residual_drop(dim: int, probability: float) -> nn.Module:
    """Regularizer of a residual branch: `AffineDropPath`, or nothing at probability 0 (as in the released codes)."""
    return AffineDropPath(dim, probability) if probability > 0 else nn.Identity()
