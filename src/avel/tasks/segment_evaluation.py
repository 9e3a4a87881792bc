"""One pass over a split of short videos: one class per snippet, against the annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from avel.batch import ClipPrediction
from avel.decoding.segment import to_detections
from avel.events import EventTable
from avel.metrics.event_f1 import EventF1
from avel.metrics.pointing import PointingGame
from avel.metrics.segment_accuracy import SegmentAccuracy
from avel.tasks.evaluation import DenseData, DenseEvaluation


class SegmentData(DenseData, Protocol):
    """What the task of segment localization asks of a data module."""

    selection_split: str
    snippet_seconds: float

    def snippet_labels(self, split: str) -> dict[str, Tensor]:
        """Ground truth of a split: video id -> class of each snippet, (T,) int64; C is background."""
        ...

    def places(self, split: str) -> dict[str, Tensor]:
        """Where the sounding object is: video id -> (T, H, W) bool; empty where the data set does not say so."""
        ...


class SegmentEvaluation:
    """Collects the decisions of one pass over a split and scores them against its annotations.

    Args:
        data: the data module; truth comes from it, not from batches.
        split: what is evaluated; None only collects.
        device: where decisions come from.
    """

    def __init__(self, data: SegmentData, split: str | None, device: torch.device) -> None:
        self.dense = DenseEvaluation(data, split, device)
        self.hop, self.device = data.snippet_seconds, device
        self.labels = data.snippet_labels(split) if split else {}
        self.places = data.places(split) if split else {}
        num_classes = len(data.class_names)
        self.accuracy = SegmentAccuracy(num_classes=num_classes).to(device)
        self.event_f1 = EventF1(num_classes=num_classes).to(device)
        self.pointing = PointingGame().to(device)

    def add(self, videos: Sequence[str], found: ClipPrediction) -> None:
        """Add what was found in some videos."""
        self.dense.add(videos, to_detections(found.labels, found.scores, hop=self.hop))
        if self.labels:
            labels = self._stack(self.labels, videos)
            self.accuracy.update(videos, found.labels, labels)
            self.event_f1.update(videos, found.labels, labels)
        if self.places:
            self.pointing.update(videos, found.attention, self._stack(self.places, videos))

    def gather(self, world_size: int) -> None:
        """Bring the events of all ranks together (metrics do so by themselves)."""
        self.dense.gather(world_size)

    def score(self) -> tuple[dict[str, float], Tensor]:
        """Return named numbers and the average precision per class and threshold, (C, T).

        The names are `accuracy`, `accuracy_partial`, `event_background`, `event_f1`; `map` and `map@0.10` and so on for
        the merged snippets taken as events; `pointing` where it is known where sounding objects are.
        """
        average, ap = self.dense.score()
        scores = self.accuracy.compute() | {"event_f1": self.event_f1.compute()["event_f1"]}
        if self.places:
            scores |= self.pointing.compute()
        average = {name: value for name, value in average.items() if name.startswith("map")}
        return {name: float(value) for name, value in scores.items()} | average, ap

    def events(self) -> EventTable:
        """Return the events in seconds and class names, videos in the order of their ids."""
        return self.dense.events()

    def _stack(self, truth: dict[str, Tensor], videos: Sequence[str]) -> Tensor:
        return torch.stack([truth[video] for video in videos]).to(self.device)
