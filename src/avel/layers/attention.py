"""Attention over padded sequences with depth-wise convolutional projections (Zhang et al., ActionFormer, ECCV 2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from avel.errors import UserError
from avel.layers.levels import JoinedLevels
from avel.layers.local_attention import local_attention
from avel.layers.masked import MaskedDepthwiseConv1d, downsample


class ConvProjection(nn.Module):
    """Depth-wise convolution, LayerNorm and a linear map: how query, key and value each see their neighbourhood.

    Args:
        dim: channels D.
        stride: temporal stride of the convolution.
        recompute_norm: normalise again in the backward pass and do not keep the result: for large inputs.
    """

    def __init__(self, dim: int, stride: int = 1, *, recompute_norm: bool = False) -> None:
        super().__init__()
        self.recompute_norm = recompute_norm
        self.conv = MaskedDepthwiseConv1d(dim, stride)
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, dim)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Project (N, T, D) to (N, T / stride, D); the convolution's output is zero where a mask (N, T) is False."""
        x = self.conv(x, mask)
        # a compiler decides by itself what to keep
        if self.recompute_norm and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            return checkpoint(self._project, x, use_reentrant=False, preserve_rng_state=False)
        return self._project(x)

    def _project(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(x))


class MaskedAttention(nn.Module):
    """Multi-head attention that serves self- and cross-attention, with or without down-sampling.

    Args:
        dim: channels D.
        heads: attention heads; D must be a multiple.
        stride: temporal stride of queries, keys and values alike.
        mask_keys: leave padded keys out of the soft-max. With False they keep their share of it, with values of zero.
        window: odd number of keys around its own place (behind the stride) that a query looks at, None for all.
        relative_positions: learn a bias per head and distance; only with a `window`.
        recompute_norms: see `ConvProjection`.

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
        recompute_norms: bool = False,
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
        self.query = ConvProjection(dim, stride, recompute_norm=recompute_norms)
        self.key = ConvProjection(dim, stride, recompute_norm=recompute_norms)
        self.value = ConvProjection(dim, stride, recompute_norm=recompute_norms)
        self.out = nn.Linear(dim, dim)
        nn.init.zeros_(self.out.bias)

    def forward(self, kv: Tensor, query: Tensor, mask: Tensor | None) -> Tensor:
        """Return what `attend` does behind the output layer, (N, T / stride, D)."""
        return self.out(self.attend(kv, query, mask))

    def attend(self, kv: Tensor, query: Tensor, mask: Tensor | None, joined: JoinedLevels | None = None) -> Tensor:
        """Let every query look at all valid keys, or those in its window.

        Args:
            kv: where keys and values come from, (N, T, D).
            query: where queries come from, (N, T, D).
            mask: (N, T), None where no step is padded.
            joined: the levels that the time axis consists of, of which none looks at another; gaps hold zeros.

        Returns:
            What the output layer is to see, (N, T / stride, D), finite but meaningless at padded steps.
        """
        visible = None if self.mask_keys else mask  # what no query looks at may hold anything
        q, k, v = self.query(query, visible), self.key(kv, visible), self.value(kv, visible)
        valid = None if mask is None else downsample(mask, self.stride)
        if joined is None:
            return self._attend(q, k, v, valid)
        masks = [None] * len(joined.lengths) if valid is None else joined.split(valid)
        levels = zip(joined.split(q), joined.split(k), joined.split(v), masks, strict=True)
        return joined.join([self._attend(*level) for level in levels])

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, valid: Tensor | None) -> Tensor:
        q, k, v = self._split(q), self._split(k), self._split(v)
        if self.window is not None:
            out = local_attention(q, k, v, valid, self.window, self.distance_bias)
        elif valid is None:
            out = F.scaled_dot_product_attention(q, k, v)
        elif self.mask_keys:
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=valid[:, None, None, :])
        else:
            out = F.scaled_dot_product_attention(q, k, v * valid[:, None, :, None])
        return out.transpose(1, 2).flatten(2)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (N, heads, T, D / heads)
