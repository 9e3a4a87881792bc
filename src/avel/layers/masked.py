"""Convolution and pooling over padded sequences, channels last: (N, T, D) with a mask (N, T), True = valid."""

from __future__ import annotations

import torch
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
        bias: whether to add a bias (initialised with zero).
    """

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int = 3, stride: int = 1, *, bias: bool = True) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv1d(in_dim, out_dim, kernel_size, stride, padding=kernel_size // 2, bias=bias)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Convolve (N, T, in_dim) with mask (N, T) to (N, T / stride, out_dim)."""
        return self.conv(x.transpose(1, 2)).transpose(1, 2) * downsample(mask, self.stride)[..., None]


class ConvStack(nn.Module):
    """Convolutions, each followed by LayerNorm (optional) and ReLU.

    Args:
        dims: channels from the input to the output of the last layer.
        kernel_size: width of every convolution.
        norm: whether each convolution is normalised (it has no bias then).
    """

    def __init__(self, dims: list[int], kernel_size: int, *, norm: bool) -> None:
        super().__init__()
        pairs = list(zip(dims[:-1], dims[1:], strict=True))
        self.convs = nn.ModuleList(MaskedConv1d(i, o, kernel_size, bias=not norm) for i, o in pairs)
        self.norms = nn.ModuleList(nn.LayerNorm(o) if norm else nn.Identity() for _, o in pairs)

    def forward(self, x: Tensor, mask: Tensor, inside: Tensor | None = None) -> Tensor:
        """Map (N, T, dims[0]) to (N, T, dims[-1]); padded steps hold the rectified norm bias.

        Args:
            x: features.
            mask: (N, T).
            inside: steps that belong to one of several `JoinedLevels`, (T,) bool; the others stay zero.
        """
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(x, mask)).relu()
            if inside is not None:
                x = x * inside[:, None]
        return x


class MaskedDepthwiseConv1d(nn.Module):
    """Same-padded convolution of width 3 of each channel for itself, zero at padded steps.

    Written as a 2-D convolution of height 1: that has kernels for channels-last memory, which are 5 to 8 times faster
    on a CPU than transposing to `Conv1d` (forward and backward, widths 8 to 512).

    Args:
        dim: channels D.
        stride: temporal stride; the input length must be a multiple of it.
        bias: whether to add a bias (initialised with zero).
    """

    def __init__(self, dim: int, stride: int = 1, *, bias: bool = False) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(dim, dim, (1, 3), stride=(1, stride), padding=(0, 1), groups=dim, bias=bias)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)
        # The gradient comes with these strides, and DDP warns where the weight has others. It must be a copy: with one
        # input channel a weight counts as contiguous in this order, too.
        self.conv.weight.data = self.conv.weight.data.clone(memory_format=torch.channels_last)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Convolve (N, T, D) to (N, T / stride, D), zero where a mask (N, T) is False."""
        out = self.conv(x.transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2)
        return out if mask is None else out * downsample(mask, self.stride)[..., None]
