"""All levels of a pyramid in one tensor, so that a convolution reads its weights once and not once per level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class JoinedLevels:
    """Levels one behind the other along time, with gaps between that keep convolutions of one level from the next.

    Attributes:
        lengths: time steps T_l of every level.
        gap: empty steps between two levels: half the width of the widest convolution, rounded down.
    """

    lengths: tuple[int, ...]
    gap: int

    @classmethod
    def of(cls, masks: Sequence[Tensor], kernel_size: int = 3) -> JoinedLevels:
        """Lay out levels with these masks (B, T_l) for convolutions of that width."""
        return cls(tuple(mask.shape[1] for mask in masks), kernel_size // 2)

    def join(self, levels: Sequence[Tensor]) -> Tensor:
        """Join levels (B, T_l, ...) to (B, S, ...), where S is the sum of T_l and gaps; gaps hold zeros."""
        batch, _, *rest = levels[0].shape
        between = levels[0].new_zeros(batch, self.gap, *rest)
        return torch.cat([part for level in levels for part in (level, between)][:-1], dim=1)

    def split(self, x: Tensor) -> list[Tensor]:
        """Return the levels (B, T_l, ...) of (B, S, ...), as views."""
        sizes = [size for length in self.lengths for size in (length, self.gap)][:-1]
        return list(x.split(sizes, dim=1)[::2])

    def inside(self, device: torch.device) -> Tensor:
        """Tell which steps belong to a level, (S,) bool."""
        return self.join([torch.ones(1, length, dtype=torch.bool, device=device) for length in self.lengths])[0]
