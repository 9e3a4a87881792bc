"""Average precision and recall of dense event localization, as pure functions of flat tables.

Conventions (ActivityNet, Caba Heilbron et al., CVPR 2015):

* Predictions of one class, over all videos, are visited in descending score. Each takes, for every tIoU threshold
  separately, the event of its video and class with the highest tIoU, if that reaches the threshold (equality counts).
  If its best event is taken it tries the next best. A prediction that gets no event is a false positive.
* AP is the area under the precision envelope over all recall steps (VOC 2011).
* mAP averages over the classes that have events; the AP of the others is NaN.
* Recall@k keeps, per video and class, the `k * (number of events)` best predictions; an event is found if any of
  them reaches the threshold (Recall@kx of ActionFormer, Zhang et al., ECCV 2022).

Arithmetic is float64 and equal scores or tIoUs are decided by row order, so results repeat to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from avel.metrics.blocks import class_blocks
from avel.metrics.rules import DEFAULT_RULES, EvaluationRules, clean_events, collide
from avel.metrics.tables import Events, Predictions, flip, group_of, lexsort, ragged_ranges, rank_within
from avel.segments.ops import tiou_from_bounds


class DenseScores(NamedTuple):
    """Result: ap (C, T) and recall (T, K, C), NaN for classes without events; num_events (C,) that were kept."""

    ap: Tensor
    recall: Tensor
    num_events: Tensor


class _Pairs(NamedTuple):
    """Predictions beside the events of their video and class, (R,) each; best event first within a prediction.

    `rank` is the prediction's place by class and descending score. It belongs to the best `k * (number of events)` of
    its video and class if `recall_level` is below k.
    """

    rank: Tensor
    event: Tensor
    tiou: Tensor
    recall_level: Tensor


def dense_average_precision(
    predictions: Predictions,
    events: Events,
    *,
    num_classes: int,
    tiou_thresholds: Tensor,
    recall_k: Sequence[int] = (1, 5),
    rules: EvaluationRules = DEFAULT_RULES,
) -> DenseScores:
    """Average precision per class and tIoU threshold, and recall@k.

    Args:
        predictions: rows in any order; videos may be unknown to `events`.
        events: rows in any order.
        num_classes: C; labels lie in [0, C).
        tiou_thresholds: (T,) float64 in (0, 1].
        recall_k: the K values of k.
        rules: rules on which evaluators differ.

    Returns:
        AP (C, T), recall (T, K, C) and the number of kept events (C,).
    """
    events = clean_events(events, num_classes=num_classes, rules=rules)
    num_events = events.labels.bincount(minlength=num_classes)
    if rules.absent_classes == "collide":
        predictions = predictions._replace(labels=collide(predictions.labels, num_events))
    if rules.ties == "later":
        predictions, events = flip(predictions), flip(events)
    blocks = class_blocks(predictions, events, num_classes)
    parts = [_evaluate(*block, tiou_thresholds, recall_k, rules) for block in blocks]
    ap, recall = zip(*parts, strict=True)
    return DenseScores(torch.cat(ap), torch.cat(recall, dim=2), num_events)


def _evaluate(
    predictions: Predictions,
    events: Events,
    num_classes: int,
    tiou_thresholds: Tensor,
    recall_k: Sequence[int],
    rules: EvaluationRules,
) -> tuple[Tensor, Tensor]:
    """AP (C, T) and recall (T, K, C) of events that count."""
    num_events = events.labels.bincount(minlength=num_classes)
    num_predictions = predictions.labels.bincount(minlength=num_classes)
    order = lexsort(predictions.labels, -predictions.scores)
    pairs = _pair(predictions, order, events, num_classes, rules)
    found = _match(pairs, tiou_thresholds, len(events.labels))
    ap = [average_precision(rank, num_predictions, num_events) for rank, _ in found]
    return torch.stack(ap, dim=1), _recall(pairs, events.labels, num_events, tiou_thresholds, recall_k)


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
    pairs = _pair(predictions, order, events, num_classes, DEFAULT_RULES)
    return order, _match(pairs, tiou_thresholds, len(events.labels))


def _pair(predictions: Predictions, order: Tensor, events: Events, num_classes: int, rules: EvaluationRules) -> _Pairs:
    """Put each prediction beside the events of its video and class; `order` ranks the predictions."""
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
    pairs = _Pairs(
        rank.index_select(0, owner),
        event.index_select(0, touching),
        overlap.index_select(0, touching),
        recall_level.index_select(0, owner),
    )
    order = lexsort(pairs.rank, -pairs.tiou)
    return _Pairs(*(column.index_select(0, order) for column in pairs))


def _bounds(segments: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Start, end and length of the segments in `rows`, (R,) each: columns are several times faster to pick from."""
    start, end = (bound.index_select(0, rows) for bound in segments.unbind(dim=1))
    return start, end, end - start


def _match(pairs: _Pairs, thresholds: Tensor, num_events: int) -> list[tuple[Tensor, Tensor]]:
    """Assign events to predictions; for each threshold the ranks of the true positives, ascending, and their events."""
    options = pairs.rank.unique_consecutive(return_counts=True)[1]
    best = options.cumsum(0) - options
    best_tiou = pairs.tiou.index_select(0, best)
    next_tiou = pad(pairs.tiou[1:], (0, 1)).index_fill_(0, best[1:] - 1, 0)  # 0: the prediction has no further event
    reached = (best.index_select(0, (best_tiou >= threshold).nonzero().squeeze(1)) for threshold in thresholds)
    return [
        _settle(pairs, next_tiou >= threshold, row, num_events)
        for row, threshold in zip(reached, thresholds, strict=True)
    ]


def _settle(pairs: _Pairs, goes_on: Tensor, row: Tensor, num_events: int) -> tuple[Tensor, Tensor]:
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


def precision_envelope(
    rank: Tensor, num_predictions: Tensor, num_events: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Precision envelope per class, from the ranks of the true positives alone: precision peaks where one is found.

    Args:
        rank: place of each true positive by class and descending score, ascending (`true_positives`).
        num_predictions: per class, (C,).
        num_events: per class, (C,).
        weight: for how many true positives each of a class counts in its precision, (C,); None: for one.

    Returns:
        The highest precision at which at least G, G - 1, … 1 events are found, (C, G) float64 with the largest G of
        all classes; 0 where fewer are found.
    """
    end = num_predictions.cumsum(0)
    label = torch.searchsorted(end, rank, right=True)
    found = rank_within(label) + 1
    visited = rank - (end - num_predictions)[label] + 1

    steps = max(1, int(num_events.max()))
    precision = torch.zeros(len(num_events), steps, dtype=torch.float64, device=rank.device)
    hits = found.double() if weight is None else found * weight[label]
    precision[label, steps - found] = hits / (hits + (visited - found))  # from the right, where the envelope starts
    return precision.cummax(dim=1).values


def average_precision(
    rank: Tensor, num_predictions: Tensor, num_events: Tensor, weight: Tensor | None = None
) -> Tensor:
    """AP (C,): the area under the envelope; arguments as there."""
    return precision_envelope(rank, num_predictions, num_events, weight).sum(dim=1) / num_events


def _recall(pairs: _Pairs, labels: Tensor, num_events: Tensor, thresholds: Tensor, recall_k: Sequence[int]) -> Tensor:
    """Recall@k (T, K, C); `labels` (E,) are those of the events."""
    shape = (len(thresholds), len(recall_k), len(num_events))
    found = torch.zeros(shape, dtype=torch.float64, device=labels.device)
    for column, k in enumerate(recall_k):
        allowed = (pairs.recall_level < k).nonzero().squeeze(1)
        best = torch.zeros(len(labels), dtype=torch.float64, device=labels.device)
        best.scatter_reduce_(0, pairs.event[allowed], pairs.tiou[allowed], "amax")
        reached = (best >= thresholds[:, None]).double()
        found[:, column].scatter_add_(1, labels.expand_as(reached), reached)
    return found / num_events
