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

from avel.metrics.assignment import Pairs, assign, pair
from avel.metrics.blocks import class_blocks
from avel.metrics.rules import DEFAULT_RULES, EvaluationRules, clean_events, collide
from avel.metrics.tables import Events, Predictions, all_rows, flip, lexsort, rank_within


class DenseScores(NamedTuple):
    """Result: ap (C, T) and recall (T, K, C), NaN for classes without events; num_events (C,) that were kept."""

    ap: Tensor
    recall: Tensor
    num_events: Tensor


def dense_average_precision(
    predictions: Predictions,
    events: Events,
    *,
    num_classes: int,
    tiou_thresholds: Tensor,
    recall_k: Sequence[int] = (1, 5),
    rules: EvaluationRules = DEFAULT_RULES,
    order: Tensor | None = None,
) -> DenseScores:
    """Average precision per class and tIoU threshold, and recall@k.

    Args:
        predictions: rows in any order; videos may be unknown to `events`.
        events: rows in any order.
        num_classes: C; labels lie in [0, C).
        tiou_thresholds: (T,) float64 in (0, 1].
        recall_k: the K values of k.
        rules: rules on which evaluators differ.
        order: which rows of the predictions count, in which order; None: all as they stand.

    Returns:
        AP (C, T), recall (T, K, C) and the number of kept events (C,).
    """
    events = clean_events(events, num_classes=num_classes, rules=rules)
    num_events = events.labels.bincount(minlength=num_classes)
    if rules.absent_classes == "collide":
        predictions = predictions._replace(labels=collide(predictions.labels, num_events))
    order = all_rows(predictions) if order is None else order
    if rules.ties == "later":
        order, events = order.flip(0), flip(events)
    blocks = class_blocks(predictions, order, events, num_classes)
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
    pairs = pair(predictions, order, events, num_classes, rules)
    found = assign(pairs, tiou_thresholds, len(events.labels))
    ap = [average_precision(rank, num_predictions, num_events) for rank, _ in found]
    return torch.stack(ap, dim=1), _recall(pairs, events.labels, num_events, tiou_thresholds, recall_k)


def precision_envelope(
    rank: Tensor, num_predictions: Tensor, num_events: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Precision envelope per class, from the ranks of the true positives alone: precision peaks where one is found.

    Args:
        rank: place of each true positive by class and descending score, ascending, see `avel.metrics.assignment`.
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


def _recall(pairs: Pairs, labels: Tensor, num_events: Tensor, thresholds: Tensor, recall_k: Sequence[int]) -> Tensor:
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
