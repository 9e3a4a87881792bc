"""Spans in which a class is only heard, or only seen: no audio-visual event, but easily taken for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from avel.metrics.tables import Predictions, same_video

SIDES = ("heard", "seen")
"""In which a class may show alone."""

ANY_CLASS = -1
"""Label of a span whose class is none of the data set's, or not known: predictions of every class may lie on it."""

LEAST_SHARE = 0.5
"""Of a prediction, to lie on a span."""


class OneSided(NamedTuple):
    """Spans that are only heard or only seen.

    `videos` (M,) int64, `segments` (M, 2) float64 seconds, `labels` (M,) int64, which may be `ANY_CLASS`, and `sides`
    (M,) int64, index into `SIDES`.
    """

    videos: Tensor
    segments: Tensor
    labels: Tensor
    sides: Tensor

    def of_side(self, side: int) -> OneSided:
        """Return the spans of one side."""
        return OneSided(*(column[self.sides == side] for column in self))


@dataclass(frozen=True, slots=True)
class ModalityErrors:
    """The false positives on spans in which a class is only heard, or only seen.

    Attributes:
        side: one of `SIDES`.
        spans: how many such spans are annotated.
        count: how many false positives of the kinds localization and background lie on one of their class, see
            `lies_on`, among the predictions that are counted.
        share: of the predictions that are counted, in [0, 1]; NaN where none is.
        cost: mAP that is gained without them, in [0, 1].
    """

    side: str
    spans: int
    count: int
    share: float
    cost: float


def lies_on(predictions: Predictions, spans: OneSided) -> Tensor:
    """Whether at least half of a prediction lies within one span of its video and class, (N,) bool.

    The share of the prediction counts, not the tIoU: how long somebody is heard says nothing about the mistake.
    """
    prediction, span = same_video(predictions.videos, spans.videos)
    label = spans.labels[span]
    fits = (label == predictions.labels[prediction]) | (label == ANY_CLASS)
    prediction, span = prediction[fits], span[fits]
    a, b = predictions.segments[prediction], spans.segments[span]
    inside = torch.minimum(a[:, 1], b[:, 1]) - torch.maximum(a[:, 0], b[:, 0])
    length = a[:, 1] - a[:, 0]
    on = (length > 0) & (inside >= LEAST_SHARE * length)
    return torch.zeros(len(predictions.labels), dtype=torch.bool).index_fill_(0, prediction[on], True)
