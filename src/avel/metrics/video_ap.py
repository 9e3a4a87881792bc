"""How well each video is done, by average precision: to find the best and the worst ones."""

from __future__ import annotations

import torch
from torch import Tensor

from avel.metrics.assignment import true_positives
from avel.metrics.functional import precision_envelope
from avel.metrics.rules import DEFAULT_RULES, clean_events
from avel.metrics.tables import Events, Predictions, lexsort


def video_average_precision(
    predictions: Predictions, events: Events, *, num_videos: int, num_classes: int, tiou_thresholds: Tensor
) -> Tensor:
    """Average precision of each video, averaged over thresholds; its classes are ranked together.

    True positives are those of mAP. All predictions of a video are visited in descending score, whatever their class,
    so that those of classes that do not occur in the video count as what they are: false.

    Args:
        predictions: rows in any order.
        events: rows in any order.
        num_videos: V; videos lie in [0, V).
        num_classes: C; labels lie in [0, C).
        tiou_thresholds: (T,) float64 in (0, 1].

    Returns:
        (V,) float64 in [0, 1]; NaN for videos without events.
    """
    events = clean_events(events, num_classes=num_classes, rules=DEFAULT_RULES)
    rows, found = true_positives(predictions, events, num_classes=num_classes, tiou_thresholds=tiou_thresholds)
    by_video = lexsort(predictions.videos, -predictions.scores)
    place = torch.empty_like(by_video).scatter_(0, by_video, torch.arange(len(by_video), device=by_video.device))
    num_predictions, num_events = (table.videos.bincount(minlength=num_videos) for table in (predictions, events))
    envelopes = (precision_envelope(place[rows[hits]].sort().values, num_predictions, num_events) for hits in found)
    return torch.stack([envelope.sum(dim=1) / num_events for envelope in envelopes]).mean(dim=0)
