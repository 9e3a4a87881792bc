"""Stochastic depth with a learned per-channel scale."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Residual:
    """How residual branches are regularized.

    Attributes:
        drop_path: probability that a branch is dropped for a whole sample; 0 leaves branches alone, unscaled.
        scale: first value of the branch's learned scale. Small values start every block close to the identity; short
            trainings want larger ones, because the scale grows only as fast as the learning rate lets it.
    """

    drop_path: float = 0.0
    scale: float = 1e-4


NO_DROP = Residual()


class AffineDropPath(nn.Module):
    """Scales a residual branch per channel and drops it for whole samples while training.

    LayerScale (Touvron et al., ICCV 2021) with stochastic depth (Huang et al., ECCV 2016), combined as in ActionFormer.

    Args:
        dim: channels D.
        residual: probability of a drop and first value of the scale.
    """

    def __init__(self, dim: int, residual: Residual) -> None:
        super().__init__()
        self.probability = residual.drop_path
        self.scale = nn.Parameter(torch.full((dim,), residual.scale))

    def forward(self, x: Tensor) -> Tensor:
        """Scale (N, T, D); rows are dropped and the others rescaled in training mode."""
        x = x * self.scale
        if not self.training or self.probability == 0:
            return x
        keep = 1 - self.probability
        return x * (x.new_empty(len(x), 1, 1).bernoulli_(keep) / keep)


def residual_drop(dim: int, residual: Residual) -> nn.Module:
    """Regularizer of a residual branch: `AffineDropPath`, or nothing at probability 0 (as in the released codes)."""
    return AffineDropPath(dim, residual) if residual.drop_path > 0 else nn.Identity()
