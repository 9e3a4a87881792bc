"""Precision over recall of dense event localization, by the matching of average precision."""

from __future__ import annotations

import torch
from torch import Tensor

from avel.metrics.assignment import true_positives
from avel.metrics.functional import precision_envelope
from avel.metrics.rules import DEFAULT_RULES, clean_events
from avel.metrics.tables import Events, Predictions


def precision_recall(
    predictions: Predictions, events: Events, *, num_classes: int, tiou_thresholds: Tensor, points: int = 101
) -> Tensor:
    """Interpolated precision at evenly spaced recalls, per class and tIoU threshold, by the default rules.

    At recall r stands the highest precision of all cut-offs whose recall is at least r (VOC 2011); the area under these
    steps is the AP of `dense_average_precision`. The mean over classes (`nanmean(dim=0)`) is the curve of the mAP.

    Args:
        predictions: rows in any order; videos may be unknown to `events`.
        events: rows in any order.
        num_classes: C; labels lie in [0, C).
        tiou_thresholds: (T,) float64 in (0, 1].
        points: P, the number of recalls 0, 1 / (P - 1), … 1; at least 2.

    Returns:
        Precision (C, T, P) float64 in [0, 1]; 0 at recalls that are not reached, NaN for classes without events.
    """
    events = clean_events(events, num_classes=num_classes, rules=DEFAULT_RULES)
    num_events = events.labels.bincount(minlength=num_classes)
    num_predictions = predictions.labels.bincount(minlength=num_classes)
    _, ranks = true_positives(predictions, events, num_classes=num_classes, tiou_thresholds=tiou_thresholds)
    envelopes = torch.stack([precision_envelope(rank, num_predictions, num_events) for rank in ranks], dim=1)

    wanted = _events_at(points, num_events)[:, None].expand(-1, len(ranks), -1)
    precision = envelopes.gather(2, envelopes.shape[2] - wanted)
    return precision.masked_fill((num_events == 0)[:, None, None], torch.nan)


def _events_at(points: int, num_events: Tensor) -> Tensor:
    """How many events have to be found for each recall, at least one, (C, P); whole numbers, so nothing is rounded."""
    intervals = points - 1
    recall = torch.arange(points, device=num_events.device)
    return ((recall * num_events[:, None] + intervals - 1) // intervals).clamp(min=1)
