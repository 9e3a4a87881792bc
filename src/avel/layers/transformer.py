"""The transformer block of the dense localizers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from avel.layers.attention import MaskedAttention
from avel.layers.drop import NO_DROP, Residual, residual_drop
from avel.layers.experts import expert, per_task
from avel.layers.masked import downsample, max_pool


class AttentionBlock(nn.Module):
    """Pre-norm cross-attention and MLP; self-attention when both inputs are the same tensor.

    The block of ActionFormer (Zhang et al., ECCV 2022) with one LayerNorm for each of its two inputs, as UnAV uses it.

    Args:
        dim: channels D.
        heads: attention heads.
        stride: temporal stride; the skip connection is max-pooled accordingly.
        hidden: width of the MLP, by default 4 D.
        residual: regularization of the residual branches.
        mask_keys: see `MaskedAttention`.
        window: see `MaskedAttention`.
        relative_positions: see `MaskedAttention`.
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
        mask_keys: bool = True,
        window: int | None = None,
        relative_positions: bool = False,
        tied_norms: bool = False,
        tasks: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.stride = stride
        self.norm_kv, self.norm_mlp = nn.LayerNorm(dim), per_task(tasks, lambda _: nn.LayerNorm(dim))
        self.norm_query = None if tied_norms else nn.LayerNorm(dim)
        self.attention = MaskedAttention(
            dim, heads, stride=stride, mask_keys=mask_keys, window=window, relative_positions=relative_positions
        )
        self.mlp = per_task(tasks, lambda _: _mlp(dim, hidden or 4 * dim))
        self.drop_attention = residual_drop(dim, residual)
        self.drop_mlp = residual_drop(dim, residual)

    def forward(self, kv: Tensor, query: Tensor, mask: Tensor, task: str = "") -> Tensor:
        """Refine `kv` (N, T, D) by what `query` (N, T, D) asks; mask (N, T) or (N, 1). Returns (N, T / stride, D)."""
        norm, mlp = expert(self.norm_mlp, task), expert(self.mlp, task)
        attended = self.attention(self.norm_kv(kv), (self.norm_query or self.norm_kv)(query), mask)
        valid = downsample(mask, self.stride)[..., None]
        x = max_pool(kv, self.stride) * valid + self.drop_attention(attended)
        return x + self.drop_mlp(mlp(norm(x)) * valid)


def _mlp(dim: int, hidden: int) -> nn.Sequential:
    widen, narrow = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
    nn.init.zeros_(widen.bias)
    nn.init.zeros_(narrow.bias)
    return nn.Sequential(widen, nn.GELU(), narrow)
