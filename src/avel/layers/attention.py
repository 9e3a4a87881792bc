"""Attention over padded sequences with depth-wise convolutional projections (Zhang et al., ActionFormer, ECCV 2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avel.errors import UserError
from avel.layers.local_attention import local_attention
from avel.layers.masked import MaskedDepthwiseConv1d, downsample


class ConvProjection(nn.Module):
    """Depth-wise convolution, LayerNorm and a linear map: how query, key and value each see their neighbourhood.

    Args:
        dim: channels D.
        stride: temporal stride of the convolution.
    """

    def __init__(self, dim: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = MaskedDepthwiseConv1d(dim, stride)
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, dim)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Project (N, T, D) with mask (N, T) or (N, 1) to (N, T / stride, D)."""
        return self.linear(self.norm(self.conv(x, mask)))


class MaskedAttention(nn.Module):
    """Multi-head attention that serves self- and cross-attention, with or without down-sampling.

    Args:
        dim: channels D.
        heads: attention heads; D must be a multiple.
        stride: temporal stride of queries, keys and values alike.
        mask_keys: leave padded keys out of the soft-max. With False they keep their share of it (their values are
            zero): right for masks of shape (N, 1), where a whole row is valid or padded.
        window: odd number of keys around its own place (behind the stride) that a query looks at, None for all.
        relative_positions: learn a bias per head and distance; only with a `window`.

    Raises:
        UserError: D is no multiple of `heads`, or the window is even or too small.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        stride: int = 1,
        mask_keys: bool = True,
        window: int | None = None,
        relative_positions: bool = False,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise UserError(
                f"{dim} channels cannot be shared out to {heads} attention heads: take a multiple of {heads}"
            )
        if window is not None and (window < 3 or window % 2 == 0):
            raise UserError(f"an attention window of {window} steps: take an odd number from 3 on, or null for all")
        self.heads, self.stride, self.mask_keys, self.window = heads, stride, mask_keys, window
        self.distance_bias = nn.Parameter(torch.zeros(heads, window)) if window and relative_positions else None
        self.query = ConvProjection(dim, stride)
        self.key = ConvProjection(dim, stride)
        self.value = ConvProjection(dim, stride)
        self.out = nn.Linear(dim, dim)
        nn.init.zeros_(self.out.bias)

    def forward(self, kv: Tensor, query: Tensor, mask: Tensor) -> Tensor:
        """Let every query look at all valid keys, or those in its window.

        Args:
            kv: where keys and values come from, (N, T, D).
            query: where queries come from, (N, T, D).
            mask: (N, T), or (N, 1) for rows that are valid or padded as a whole.

        Returns:
            (N, T / stride, D), zero at padded steps.
        """
        q, k, v = (
            self._split(projection(x, mask))
            for projection, x in ((self.query, query), (self.key, kv), (self.value, kv))
        )
        mask = downsample(mask, self.stride)
        if self.window is not None:
            out = local_attention(q, k, v, mask, self.window, self.distance_bias)
        elif self.mask_keys:
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        else:
            out = F.scaled_dot_product_attention(q, k, v * mask[:, None, :, None])
        return self.out(out.transpose(1, 2).flatten(2)) * mask[..., None]

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (N, heads, T, D / heads)
