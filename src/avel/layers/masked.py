"""Convolution and pooling over padded sequences, channels last: (N, T, D) with a mask (N, T), True = valid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def downsample(mask: Tensor, stride: int) -> Tensor:
    """Mask of the sequence after a convolution or pooling of that stride: (N, T) -> (N, ceil(T / stride))."""
    return mask[:, ::stride]


def max_pool(x: Tensor, stride: int) -> Tensor:
    """Shorten (N, T, D) by a max-pooling of width `stride + 1`; stride 1 changes nothing."""
    if stride == 1:
        return x
    return F.max_pool1d(x.transpose(1, 2), stride + 1, stride, (stride + 1) // 2).transpose(1, 2)


class MaskedConv1d(nn.Module):
    """Same-padded 1-D convolution whose output is zero at padded steps.

    Args:
        in_dim: input channels.
        out_dim: output channels.
        kernel_size: odd width.
        stride: temporal stride; the input length must be a multiple of it.
        groups: channel groups (`in_dim` for a depth-wise convolution).
        bias: whether to add a bias (initialised with zero).
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv1d(
            in_dim, out_dim, kernel_size, stride=stride, padding=kernel_size // 2, groups=groups, bias=bias
        )
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Convolve (N, T, in_dim) to (N, T / stride, out_dim); `mask` (N, T) or (N, 1) belongs to the input."""
        out = self.conv(x.transpose(1, 2)).transpose(1, 2)
        return out * downsample(mask, self.stride)[..., None]
