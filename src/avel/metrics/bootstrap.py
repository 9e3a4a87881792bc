"""How sure a difference of scores, e.g. mAP, is: a paired bootstrap over videos (Efron and Tibshirani, 1993).

Videos are drawn with replacement, the same for all systems. A video that is drawn twice counts as two videos with the
same content. Predictions are matched with events once: a draw only changes how often each counts. Tied scores of one
class are visited in the order of the rows, with the copies of a prediction one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from avel.metrics.assignment import true_positives
from avel.metrics.rules import DEFAULT_RULES, clean_events
from avel.metrics.tables import Events, Predictions


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference, and the ends of its confidence interval."""

    difference: float
    low: float
    high: float


class Resampled(Protocol):
    """A score of one system, as a function of how often each video counts."""

    @property
    def num_videos(self) -> int:
        """V."""
        ...

    def __call__(self, counts: Tensor) -> Tensor:
        """Return the score of a draw, scalar float64; `counts` (V,) float64."""
        ...


class ResampledMean:
    """Mean of a number that every video has, e.g. its accuracy, as a function of how often each video counts.

    Args:
        values: (V,) float64; videos with NaN do not count.
    """

    def __init__(self, values: Tensor) -> None:
        self.num_videos = len(values)
        self.values, self.counted = values.nan_to_num(), (~values.isnan()).double()

    def __call__(self, counts: Tensor) -> Tensor:
        """Return the mean of a draw, scalar float64; `counts` (V,) float64."""
        return (self.values * counts).sum() / (self.counted * counts).sum()


class ResampledMAP:
    """mAP of one system, as a function of how often each video counts.

    Args:
        predictions: rows in any order; videos are numbered below `num_videos`.
        events: rows in any order.
        num_videos: V.
        num_classes: C.
        tiou_thresholds: (T,) float64.
    """

    def __init__(
        self,
        predictions: Predictions,
        events: Events,
        *,
        num_videos: int,
        num_classes: int,
        tiou_thresholds: Tensor,
    ) -> None:
        events = clean_events(events, num_classes=num_classes, rules=DEFAULT_RULES)
        order, found = true_positives(predictions, events, num_classes=num_classes, tiou_thresholds=tiou_thresholds)
        self.num_videos, self.num_classes, self.thresholds = num_videos, num_classes, len(tiou_thresholds)
        self.event_videos, self.event_labels = events.videos, events.labels
        labels = predictions.labels[order]
        self.videos = predictions.videos[order]
        self.start = torch.searchsorted(labels, labels)  # of each prediction's class
        # true positives of all thresholds, one after the other
        self.rank = torch.cat(found)
        threshold = torch.arange(len(found)).repeat_interleave(torch.tensor([len(rank) for rank in found]))
        self.block = threshold * num_classes + labels[self.rank]
        self.block_start = torch.searchsorted(self.block, self.block)

    def __call__(self, counts: Tensor) -> Tensor:
        """Return the mAP of a draw, scalar float64.

        Args:
            counts: how often each video counts, (V,) float64.
        """
        visited = _running(counts[self.videos], self.start)[self.rank]
        weight = counts[self.videos[self.rank]]
        hits = _running(weight, self.block_start)
        precision = torch.where(weight > 0, hits / visited, 0.0)
        # best precision from here to the block's end: further blocks lie lower, so that they never win
        level = 2.0 * (self.thresholds * self.num_classes - self.block)
        envelope = (precision + level).flip(0).cummax(0).values.flip(0) - level
        events = torch.zeros(self.num_classes, dtype=torch.float64)
        events.scatter_add_(0, self.event_labels, counts[self.event_videos])
        area = torch.zeros(self.thresholds * self.num_classes, dtype=torch.float64)
        area.scatter_add_(0, self.block, envelope * weight)
        return (area.view(self.thresholds, -1) / events).nanmean()  # 0/0 where a class has no events


def _running(values: Tensor, start: Tensor) -> Tensor:
    """Sum from the start of each value's group to the value itself."""
    total = values.cumsum(0)
    return total - (total - values)[start]


def paired_bootstrap(
    one: Sequence[Resampled],
    other: Sequence[Resampled],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Confidence interval of the difference of two systems, `one` minus `other`, by percentiles.

    Draws in which a score is not defined, because none of their videos has an event, do not count.

    Args:
        one: the system's runs, e.g. of several seeds, whose scores are averaged; all of the same videos in the same
            order.
        other: the same of the other system.
        resamples: number of draws.
        level: share of the draws inside.
        seed: of the draws.
    """
    videos = one[0].num_videos

    def difference(counts: Tensor) -> Tensor:
        means = [torch.stack([run(counts) for run in system]).mean() for system in (one, other)]
        return means[0] - means[1]

    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(videos, (resamples, videos), generator=generator)
    differences = torch.stack([difference(row.bincount(minlength=videos).double()) for row in drawn])
    outside = (1 - level) / 2
    low, high = differences.nanquantile(torch.tensor([outside, 1 - outside], dtype=torch.float64)).tolist()
    return Interval(float(difference(torch.ones(videos, dtype=torch.float64))), low, high)
