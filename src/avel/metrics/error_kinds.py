"""Which predictions are mistakes, and of which kind.

Kinds are those of DETAD (Alwassel et al., ECCV 2018) by the names of TIDE (Bolya et al., ECCV 2020). A prediction that
gets no event, by `avel.metrics.assignment`, is of the first kind that applies:

* double: it reaches the threshold with an event of its class, which another prediction got;
* localization: it overlaps an event of its class with at least the least tIoU, but less than the threshold;
* class: it reaches the threshold with an event of another class;
* both: it overlaps an event of another class with at least the least tIoU, but less than the threshold;
* background: it overlaps no event with the least tIoU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from avel.metrics.ranking import Ranking, rank
from avel.metrics.rules import DEFAULT_RULES, clean_events
from avel.metrics.tables import Events, Predictions, same_video
from avel.segments.ops import tiou

KINDS = ("double", "localization", "class", "both", "background")
"""Of false positives, in the order in which they are asked for."""

LEAST_TIOU = 0.1
"""Below it a prediction and an event have nothing to do with each other, as in DETAD and TIDE."""


def false_positive_kinds(
    predictions: Predictions,
    events: Events,
    *,
    num_classes: int,
    tiou_threshold: float,
    least_tiou: float = LEAST_TIOU,
) -> Tensor:
    """Tell true positives from false ones, and those by kind.

    Args:
        predictions: rows in any order.
        events: rows in any order.
        num_classes: C; labels lie in [0, C).
        tiou_threshold: from which on an event is found, in (0, 1].
        least_tiou: below which there is no overlap worth speaking of, in (0, 1]; the threshold if that is lower.

    Returns:
        -1 for a true positive, else an index into `KINDS`, (N,) int64.
    """
    events = clean_events(events, num_classes=num_classes, rules=DEFAULT_RULES)
    thresholds = torch.tensor([tiou_threshold], dtype=torch.float64)
    ranking = rank(predictions, events, num_classes=num_classes, tiou_thresholds=thresholds)
    (kinds,) = kinds_by_place(ranking, predictions, events, thresholds, least_tiou)
    return torch.empty_like(kinds).scatter_(0, ranking.order, kinds)


def kinds_by_place(
    ranking: Ranking, predictions: Predictions, events: Events, thresholds: Tensor, least_tiou: float
) -> Tensor:
    """Tell the kinds at several thresholds.

    Args:
        ranking: of the predictions, at the same thresholds.
        predictions: rows in any order.
        events: those that count.
        thresholds: (T,) float64 in (0, 1].
        least_tiou: see `false_positive_kinds`.

    Returns:
        -1 or an index into `KINDS`, (T, N) int64, in the order of the ranking.
    """
    own, other = (best[ranking.order] for best in _best_overlaps(predictions, events))
    threshold = thresholds[:, None]
    least = threshold.clamp(max=least_tiou)
    applies = (own >= threshold, own >= least, other >= threshold, other >= least)
    kinds = torch.full((len(thresholds), len(own)), KINDS.index("background"))
    for kind, where in reversed([*enumerate(applies)]):
        kinds[where] = kind
    return kinds.masked_fill_(ranking.is_right(), -1)


def _best_overlaps(predictions: Predictions, events: Events) -> tuple[Tensor, Tensor]:
    """Highest tIoU of each prediction with an event of its class, and with one of another class, (N,) each."""
    prediction, event = same_video(predictions.videos, events.videos)
    a, b = predictions.segments.index_select(0, prediction), events.segments.index_select(0, event)
    place = 2 * prediction + (predictions.labels[prediction] != events.labels[event])
    best = torch.zeros(2 * len(predictions.labels), dtype=torch.float64)
    best.scatter_reduce_(0, place, tiou(a[:, None], b[:, None]).flatten(), "amax")
    own, other = best.view(-1, 2).unbind(dim=1)
    return own, other
