"""Fixed sinusoidal positions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoids(length: int, dim: int) -> Tensor:
    """Sinusoid table of Vaswani et al. (NeurIPS 2017): (length, dim), sines and cosines interleaved."""
    channel = torch.arange(dim, dtype=torch.float64)
    wavelength = 10000 ** (2 * (channel // 2) / dim)
    angle = torch.arange(length, dtype=torch.float64)[:, None] / wavelength
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()


class SinusoidalPosition(nn.Module):
    """Adds positions to the valid steps; sequences longer than the table see all of it, stretched to their length.

    What comes out is float32 at least: half precision would give neighbouring steps the same position.

    Args:
        dim: channels D.
        max_length: entries T_max of the table.
    """

    table: Tensor

    def __init__(self, dim: int, max_length: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoids(max_length, dim) / dim**0.5, persistent=False)

    def forward(self, x: Tensor, mask: Tensor, *, whole_table: bool = False) -> Tensor:
        """Add positions to (N, T, D) where `mask` (N, T) is True; a `whole_table` is compressed where T is shorter."""
        length = x.shape[1]
        if length <= len(self.table) and not whole_table:
            table = self.table[:length]
        else:
            table = F.interpolate(self.table.T[None], size=length, mode="linear")[0].T
        return x + table * mask[..., None]
