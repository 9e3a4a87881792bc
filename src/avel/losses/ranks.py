"""What several processes that work together know of each other: means over all ranks, and what all of them have."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.distributed
from torch import Tensor

V = TypeVar("V")


def world_size() -> int:
    """Return how many processes train together."""
    return torch.distributed.get_world_size() if _together() else 1


@torch.no_grad()
def mean_over_ranks(values: Tensor) -> Tensor:
    """Return the mean of floating-point values of any shape over all ranks; of a single process, the values."""
    values = values.detach().clone()
    if _together():
        torch.distributed.all_reduce(values)
        values /= torch.distributed.get_world_size()
    return values


def union_over_ranks(mine: dict[str, V], ranks: int) -> dict[str, V]:
    """Return what all ranks have, by its key; of a key that several have (samplers fill up ranks), the last one's.

    Args:
        mine: what this rank has, anything that can be pickled.
        ranks: how many there are; nothing is sent where this is the only one.
    """
    if ranks == 1:
        return dict(mine)
    parts: list[dict[str, V]] = [{}] * ranks
    torch.distributed.all_gather_object(parts, mine)
    return {key: value for part in parts for key, value in part.items()}


def rows_of_all(mine: Tensor) -> Tensor:
    """Return the rows (B, …) of all W ranks as (W B, …), in the order in which one process would have them.

    Ranks draw by turns (see `EpochSampler`): row b of rank r is row W b + r.
    """
    if not _together():
        return mine
    parts = [torch.empty_like(mine) for _ in range(world_size())]
    torch.distributed.all_gather(parts, mine.contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)


def own_rows(rows: Tensor) -> Tensor:
    """Return this rank's part (B, …) of `rows_of_all`."""
    return rows[torch.distributed.get_rank() :: world_size()] if _together() else rows


def _together() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
