"""Attention to the neighbourhood, with memory linear in time (Zhang et al., ActionFormer, ECCV 2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def local_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, window: int, bias: Tensor | None = None
) -> Tensor:
    """Let every query look at the `window` keys around it, as far as they exist and are valid.

    Time is cut into blocks; the queries of a block see its keys and those at most `window // 2` steps beyond, through a
    band. Blocks do not change the result, so any length is admissible.

    Args:
        q: (N, heads, T, E) queries.
        k: (N, heads, T, E) keys.
        v: (N, heads, T, E) values.
        mask: (N, T), True = valid; None where no step is padded.
        window: odd number of keys.
        bias: (heads, window), added to the scores; the first one belongs to the earliest key.

    Returns:
        (N, heads, T, E), finite but meaningless where a query is padded.
    """
    if mask is None:
        mask = q.new_ones((len(q), q.shape[2]), dtype=torch.bool)
    length, reach, size = q.shape[2], window // 2, 2 * window
    blocks = -(-length // size)
    behind = blocks * size - length
    span = size + 2 * reach  # keys that the queries of a block see together

    q = F.pad(q, (0, 0, 0, behind)).unflatten(2, (blocks, size))  # (N, heads, blocks, size, E)
    k, v = (F.pad(x, (0, 0, reach, reach + behind)).unfold(2, span, size).mT for x in (k, v))
    valid = F.pad(mask, (reach, reach + behind)).unfold(1, span, size)  # (N, blocks, span)

    place = torch.arange(span, device=q.device) - torch.arange(size, device=q.device)[:, None]  # of key in window
    # padded queries see themselves: kernels differ in what they make of a soft-max over nothing
    seen = (place >= 0) & (place < window) & (valid[:, None, :, None] | (place == reach))
    if bias is not None:
        seen = bias[:, None, place.clamp(0, window - 1)].to(q.dtype).masked_fill(~seen, -torch.inf)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen).flatten(2, 3)[:, :, :length]
