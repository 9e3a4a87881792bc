"""Flat tables of predictions and events of all videos, and what is done to their rows.

Videos are numbered 0, 1, ...; memory grows with the highest number times the number of classes.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor


class Events(NamedTuple):
    """Ground truth: videos (N,) int64, segments (N, 2) float64 seconds, labels (N,) int64."""

    videos: Tensor
    segments: Tensor
    labels: Tensor


class Predictions(NamedTuple):
    """Predictions: videos (N,) int64, segments (N, 2) float64 seconds, labels (N,) int64, scores (N,) float64."""

    videos: Tensor
    segments: Tensor
    labels: Tensor
    scores: Tensor


Table = TypeVar("Table", Events, Predictions)

ROWS_IN_CACHE = 2**14
"""Rows that are selected at a time: where columns are interleaved in memory, a processor's cache holds them."""


def group_of(table: Table, num_classes: int) -> Tensor:
    """One number per (video, class), (N,)."""
    return table.videos * num_classes + table.labels


def take(table: Table, rows: Tensor) -> Table:
    """Select rows by index."""
    taken = type(table)(*(column.new_empty(*column.shape[1:], len(rows)).movedim(-1, 0) for column in table))
    columns = list(zip(_columns(table), _columns(taken), strict=True))
    for first in range(0, len(rows), ROWS_IN_CACHE):
        part = slice(first, first + ROWS_IN_CACHE)
        for source, target in columns:
            torch.index_select(source, 0, rows[part], out=target[part])
    return taken


def _columns(table: Table) -> list[Tensor]:
    """Take the table apart, (N,) each: one by one, they are several times faster to pick from."""
    return [table.videos, *table.segments.unbind(dim=1), *table[2:]]


def all_rows(table: Table) -> Tensor:
    """Number the rows."""
    return torch.arange(len(table.labels), device=table.labels.device)


def flip(table: Table) -> Table:
    """Reverse the rows."""
    return type(table)(*(column.flip(0) for column in table))


def lexsort(major: Tensor, minor: Tensor) -> Tensor:
    """Indices that sort by `major` (int64 below 2^31), then `minor` (float64), then row."""
    bits = (minor + 0.0).view(torch.int64)  # as integers, because those are sorted several times faster; no -0.0
    bits.bitwise_xor_((bits >> 63).bitwise_and_(torch.iinfo(torch.int64).max))  # negative numbers in their order
    order = bits.argsort(stable=True)
    return order.index_select(0, major.int().index_select(0, order).argsort(stable=True))


def rank_within(groups: Tensor) -> Tensor:
    """How many earlier rows have the same group, (N,); groups are small non-negative integers."""
    groups, order = groups.int().sort(stable=True)
    counts = groups.bincount()
    start = counts.cumsum(0) - counts
    rank = torch.arange(len(groups), device=groups.device) - start.index_select(0, groups)
    return torch.empty_like(rank).scatter_(0, order, rank)


def same_video(rows: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Pair the rows of two tables that speak about the same video.

    Args:
        rows: videos of one table, (N,).
        others: videos of the other table, (M,).

    Returns:
        Index into `rows` and index into `others` of each pair, (P,) each; pairs of one row follow each other.
    """
    videos, order = others.sort(stable=True)
    first = torch.searchsorted(videos, rows)
    owner, slot = ragged_ranges(first, torch.searchsorted(videos, rows, right=True) - first)
    return owner, order.index_select(0, slot)


def ragged_ranges(starts: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Concatenate the ranges `[start, start + count)`.

    Args:
        starts: (N,) int64.
        counts: (N,) int64.

    Returns:
        For each element of the joined ranges the range it belongs to and its value, (sum of counts,) each.
    """
    owner = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    shift = starts - (counts.cumsum(0) - counts)
    return owner, torch.arange(len(owner), device=owner.device).add_(shift.index_select(0, owner))
