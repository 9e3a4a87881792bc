"""Which prediction gets which event, by the conventions of `avel.metrics.functional`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from avel.metrics.rules import DEFAULT_RULES, EvaluationRules
from avel.metrics.tables import Events, Predictions, group_of, lexsort, ragged_ranges, rank_within
from avel.segments.ops import tiou_from_bounds


class Pairs(NamedTuple):
    """Predictions beside the events of their video and class, (R,) each; best event first within a prediction.

    `rank` is the prediction's place by class and descending score. It belongs to the best `k * (number of events)` of
    its video and class if `recall_level` is below k.
    """

    rank: Tensor
    event: Tensor
    tiou: Tensor
    recall_level: Tensor


def true_positives(
    predictions: Predictions, events: Events, *, num_classes: int, tiou_thresholds: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Match predictions with the events that count (`clean_events`), by the default rules.

    Returns:
        The rows of the predictions by class and descending score, and for each threshold the places in that order of
        those that get an event, ascending.
    """
    order, found = matches(predictions, events, num_classes=num_classes, tiou_thresholds=tiou_thresholds)
    return order, [rank for rank, _ in found]


def matches(
    predictions: Predictions, events: Events, *, num_classes: int, tiou_thresholds: Tensor
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Match as `true_positives` does, and say who gets what.

    Returns:
        The rows of the predictions by class and descending score, and for each threshold the places in that order of
        those that get an event, ascending, beside the rows of these events.
    """
    order = lexsort(predictions.labels, -predictions.scores)
    pairs = pair(predictions, order, events, num_classes, DEFAULT_RULES)
    return order, assign(pairs, tiou_thresholds, len(events.labels))


def pair(predictions: Predictions, order: Tensor, events: Events, num_classes: int, rules: EvaluationRules) -> Pairs:
    """Put each prediction beside the events of its video and class that it overlaps.

    Args:
        predictions: rows in any order.
        order: their rows by class and descending score.
        events: those that count.
        num_classes: C; labels lie in [0, C).
        rules: only `empty_pairs` matters here.
    """
    event_group, event_order = group_of(events, num_classes).sort(stable=True)
    group = group_of(predictions, num_classes)
    size = event_group.bincount(minlength=int(pad(group, (0, 1)).max()) + 1)
    start = size.cumsum(0).sub_(size)
    has_events = size.index_select(0, group) > 0
    rank = has_events.index_select(0, order).nonzero().squeeze(1)
    contender = order.index_select(0, rank)
    group = group.index_select(0, contender)
    first, count = start.index_select(0, group), size.index_select(0, group)
    owner, slot = ragged_ranges(first, count)
    prediction, event = contender.index_select(0, owner), event_order.index_select(0, slot)

    a, b = _bounds(predictions.segments, prediction), _bounds(events.segments, event)
    overlap = tiou_from_bounds(*a, *b)
    if rules.empty_pairs == "match":
        overlap[(a[2] == 0) & (b[2] == 0)] = torch.inf
    recall_level = rank_within(first) // count
    touching = overlap.nonzero().squeeze(1)
    owner = owner.index_select(0, touching)
    pairs = Pairs(
        rank.index_select(0, owner),
        event.index_select(0, touching),
        overlap.index_select(0, touching),
        recall_level.index_select(0, owner),
    )
    order = lexsort(pairs.rank, -pairs.tiou)
    return Pairs(*(column.index_select(0, order) for column in pairs))


def _bounds(segments: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Start, end and length of the segments in `rows`, (R,) each: columns are several times faster to pick from."""
    start, end = (bound.index_select(0, rows) for bound in segments.unbind(dim=1))
    return start, end, end - start


def assign(pairs: Pairs, thresholds: Tensor, num_events: int) -> list[tuple[Tensor, Tensor]]:
    """Assign events to predictions.

    Args:
        pairs: candidates.
        thresholds: (T,) float64 in (0, 1].
        num_events: how many rows events have.

    Returns:
        For each threshold the ranks of the true positives, ascending, and the rows of their events.
    """
    options = pairs.rank.unique_consecutive(return_counts=True)[1]
    best = options.cumsum(0) - options
    best_tiou = pairs.tiou.index_select(0, best)
    next_tiou = pad(pairs.tiou[1:], (0, 1)).index_fill_(0, best[1:] - 1, 0)  # 0: the prediction has no further event
    reached = (best.index_select(0, (best_tiou >= threshold).nonzero().squeeze(1)) for threshold in thresholds)
    return [
        _settle(pairs, next_tiou >= threshold, row, num_events)
        for row, threshold in zip(reached, thresholds, strict=True)
    ]


def _settle(pairs: Pairs, goes_on: Tensor, row: Tensor, num_events: int) -> tuple[Tensor, Tensor]:
    """Match, best prediction first, for all classes and videos at once.

    Deferred acceptance (Gale and Shapley, 1962): every prediction asks for its best event, every event holds the
    best prediction that asked, the others ask for their next best. As all events rank predictions alike, the stable
    result is the one that visiting predictions one by one gives.

    Args:
        pairs: candidates.
        goes_on: whether the prediction reaches the threshold with its next event, too, (R,) bool.
        row: for each prediction that reaches the threshold the row of its best event.
        num_events: number of events.

    Returns:
        The ranks of the predictions that hold an event, ascending, and their events.
    """
    holder = row.new_full((num_events,), torch.iinfo(row.dtype).max)
    while True:
        suitor, event = pairs.rank.index_select(0, row), pairs.event.index_select(0, row)
        holder.scatter_reduce_(0, event, suitor, "amin")
        lost = holder.index_select(0, event) < suitor
        if not lost.any():
            return suitor, event
        stays = ~lost | goes_on.index_select(0, row)
        row = (row + lost).index_select(0, stays.nonzero().squeeze(1))
