"""The transformer block of the dense localizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from avel.layers.attention import MaskedAttention
from avel.layers.drop import NO_DROP, AffineDropPath, Residual
from avel.layers.experts import expert, per_task
from avel.layers.levels import JoinedLevels
from avel.layers.masked import downsample, max_pool


class AttentionBlock(nn.Module):
    """Pre-norm cross-attention and MLP; self-attention when both inputs are the same tensor.

    The block of ActionFormer (Zhang et al., ECCV 2022) with one LayerNorm for each of its two inputs, as UnAV uses it.
    With `recompute` set to True, the backward pass computes the block again instead of keeping what is inside.

    Args:
        dim: channels D.
        heads: attention heads.
        stride: temporal stride; the skip connection is max-pooled accordingly.
        hidden: width of the MLP, by default 4 D.
        residual: regularization of the residual branches.
        window: see `MaskedAttention`.
        relative_positions: see `MaskedAttention`.
        recompute_norms: see `MaskedAttention`.
        tied_norms: one LayerNorm for both inputs, as in ActionFormer.
        tasks: tasks that have a LayerNorm and an MLP of their own each, behind the attention that they share (UniAV,
            arXiv 2404.03179); by default all tasks share these, too.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        stride: int = 1,
        hidden: int | None = None,
        residual: Residual = NO_DROP,
        window: int | None = None,
        relative_positions: bool = False,
        recompute_norms: bool = False,
        tied_norms: bool = False,
        tasks: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.stride = stride
        self.recompute = False
        self.norm_kv, self.norm_mlp = nn.LayerNorm(dim), per_task(tasks, lambda _: nn.LayerNorm(dim))
        self.norm_query = None if tied_norms else nn.LayerNorm(dim)
        self.attention = MaskedAttention(
            dim,
            heads,
            stride=stride,
            window=window,
            relative_positions=relative_positions,
            recompute_norms=recompute_norms,
        )
        self.mlp = per_task(tasks, lambda _: _mlp(dim, hidden or 4 * dim))
        self.drop_attention = AffineDropPath(dim, residual)
        self.drop_mlp = AffineDropPath(dim, residual)

    def forward(
        self, kv: Tensor, query: Tensor, mask: Tensor | None, task: str = "", joined: JoinedLevels | None = None
    ) -> Tensor:
        """Refine `kv` (N, T, D) by what `query` (N, T, D) asks.

        Args:
            kv: what is refined.
            query: what asks; `kv` itself in self-attention.
            mask: (N, T), None where no step is padded.
            task: whose LayerNorm and MLP are taken, where there are `tasks`.
            joined: the levels that the time axis consists of, each to be refined for itself; needs stride 1.

        Returns:
            (N, T / stride, D), zero at padded steps.
        """
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self._refine, kv, query, mask, task, joined, use_reentrant=False)
        return self._refine(kv, query, mask, task, joined)

    def _refine(self, kv: Tensor, query: Tensor, mask: Tensor | None, task: str, joined: JoinedLevels | None) -> Tensor:
        norm, (widen, gelu, narrow) = expert(self.norm_mlp, task), cast(nn.Sequential, expert(self.mlp, task))
        normed_kv, normed_query = self.norm_kv(kv), (self.norm_query or self.norm_kv)(query)
        if joined is not None:
            inside = joined.inside(kv.device)[:, None]
            normed_kv, normed_query = normed_kv * inside, normed_query * inside
        attended = self.attention.attend(normed_kv, normed_query, mask, joined)
        x = self.drop_attention(max_pool(kv, self.stride), attended, self.attention.out)
        x = self.drop_mlp(x, gelu(widen(norm(x))), cast(nn.Linear, narrow))
        # steps do not meet behind the attention: to mask once is enough
        return x if mask is None else x * downsample(mask, self.stride)[..., None]


def _mlp(dim: int, hidden: int) -> nn.Sequential:
    widen, narrow = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
    nn.init.zeros_(widen.bias)
    nn.init.zeros_(narrow.bias)
    return nn.Sequential(widen, nn.GELU(), narrow)
