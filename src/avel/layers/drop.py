"""Stochastic depth with a learned per-channel scale."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
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
    """Adds a residual branch to its skip connection: scaled per channel, dropped for whole samples while training.

    LayerScale (Touvron et al., ICCV 2021) with stochastic depth (Huang et al., ECCV 2016), combined as in ActionFormer.

    Args:
        dim: channels D.
        residual: probability of a drop and first value of the scale; at probability 0 the branch is added as it is,
            without a scale, as in the released codes.
    """

    def __init__(self, dim: int, residual: Residual) -> None:
        super().__init__()
        self.probability = residual.drop_path
        self.scale = nn.Parameter(torch.full((dim,), float(residual.scale))) if residual.drop_path > 0 else None

    def forward(self, skip: Tensor, x: Tensor, last: nn.Linear) -> Tensor:
        """Add `last(x)`, where a branch ends, to `skip`.

        The layer's weights are scaled and not its output: those are fewer numbers, and autograd would keep the output.

        Args:
            skip: (N, T, D).
            x: (N, T, E).
            last: the branch's last layer, from E to D channels.

        Returns:
            (N, T, D); in training mode the branches of some rows are dropped and the others rescaled.
        """
        if self.scale is None:
            return skip + last(x)
        out = F.linear(x, last.weight * self.scale[:, None], last.bias * self.scale)
        if not self.training or self.probability == 0:
            return skip + out
        keep = 1 - self.probability
        return torch.addcmul(skip, out, out.new_empty(len(x), 1, 1).bernoulli_(keep) / keep)
