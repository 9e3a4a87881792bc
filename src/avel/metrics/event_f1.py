"""F1 of whole events, where one class per snippet was predicted.

Conventions: neighbouring snippets of one class are one event, in what is predicted as in what is true. A predicted
event is right if it matches a true event of its video and class with at least the threshold's tIoU (equality counts),
one to one. Counts are summed over all videos and classes (micro average).

From a tIoU of one half on, nothing can be matched in two ways: at least half of an event lies in each partner with
which it reaches one half, so two partners, which do not overlap, would divide it between them and touch; but events of
one class that touch are one event.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from avel.errors import check_number
from avel.metrics.video_sums import VideoSums, check_labels
from avel.segments.runs import runs


class EventF1(VideoSums):
    """F1, precision and recall of events.

    Args:
        num_classes: classes C; background is the further class C.
        tiou_threshold: in [0.5, 1].

    Raises:
        UserError: a threshold below 0.5, where events could be matched in several ways, or above 1.
    """

    def __init__(self, *, num_classes: int, tiou_threshold: float = 0.5) -> None:
        super().__init__(num_values=3)
        check_number("tiou_threshold", tiou_threshold, 0.5, 1)
        self.num_classes = num_classes
        self.tiou_threshold = tiou_threshold

    def update(self, videos: Sequence[str], labels_predicted: Tensor, labels_true: Tensor) -> None:
        """Add B videos.

        Args:
            videos: their ids.
            labels_predicted: (B, T) in 0..C.
            labels_true: (B, T) in 0..C.

        Raises:
            UserError: shapes differ, or a label lies outside 0..C.
        """
        check_labels(videos, labels_predicted, labels_true, self.num_classes)
        self.add_videos(videos, count_events(labels_predicted, labels_true, self.num_classes, self.tiou_threshold))

    def compute(self) -> dict[str, Tensor]:
        """Return `event_f1`, `event_precision` and `event_recall`, float64, NaN where there is nothing to count."""
        matched, predicted, true = self.totals()
        return {
            "event_f1": 2 * matched / (predicted + true),
            "event_precision": matched / predicted,
            "event_recall": matched / true,
        }


def count_events(predicted: Tensor, true: Tensor, background: int, tiou_threshold: float) -> Tensor:
    """Count the matched, the predicted and the true events of B videos.

    Args:
        predicted: labels (B, T).
        true: labels (B, T).
        background: label that is no event.
        tiou_threshold: from 0.5 on.

    Returns:
        (B, 3) int64.
    """
    # where both agree on a class, one predicted and one true event overlap
    shared = runs(true.where(predicted == true, background))
    overlap = shared.end - shared.start
    union = sum(_run_lengths(labels)[shared.row, shared.start] for labels in (predicted, true)) - overlap
    matched = (shared.label != background) & (overlap.double() / union >= tiou_threshold)
    rows = [found.row[found.label != background] for found in (runs(predicted), runs(true))]
    return torch.stack([row.bincount(minlength=len(true)) for row in (shared.row[matched], *rows)], dim=1)


def _run_lengths(labels: Tensor) -> Tensor:
    """Length of the run that each snippet lies in, (B, T)."""
    found = runs(labels)
    lengths = found.end - found.start
    return lengths.repeat_interleave(lengths).view_as(labels)
