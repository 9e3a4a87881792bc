"""One pass over a split: what was found in which video, and how good it is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from avel.decoding.class_scores import VideoClasses
from avel.decoding.detections import Detections
from avel.events import Event, EventTable
from avel.losses.ranks import union_over_ranks
from avel.metrics.mean_ap import DenseMeanAveragePrecision
from avel.training.results import split_name


class DenseData(Protocol):
    """What the task of dense localization asks of a data module."""

    class_names: list[str]
    tiou_grid: tuple[float, ...]

    def targets(self, split: str) -> dict[str, dict[str, Any]]:
        """Ground truth of a split: video id -> `video_id`, `segments` (N, 2) in seconds, `labels` (N,)."""
        ...

    def durations(self, split: str) -> dict[str, float]:
        """Length in seconds of every video of a split that can be used."""
        ...

    def annotated_durations(self, split: str) -> dict[str, float]:
        """Length in seconds of every annotated video of a split, whether or not its features are there."""
        ...

    def one_sided(self, split: str) -> dict[str, dict[str, Any]]:
        """What is only heard or only seen: video id -> `segments` (N, 2) in seconds, `labels` and `sides` (N,)."""
        ...


class DenseEvaluation:
    """Collects the detections of one pass over a split and scores them against its annotations.

    Args:
        data: the data module.
        split: what is evaluated; None only collects.
        device: where detections come from.
        video_classes: gives detections the classes of their video; None: they have some of their own.
        task: name of the task among several, for messages.
    """

    def __init__(
        self,
        data: DenseData,
        split: str | None,
        device: torch.device,
        video_classes: VideoClasses | None = None,
        task: str = "",
    ) -> None:
        self.video_classes, self.task = video_classes, task
        self.class_names, self.tiou_grid, self.split = data.class_names, data.tiou_grid, split
        self.truth = data.targets(split) if split else {}
        metric = DenseMeanAveragePrecision(num_classes=len(self.class_names), tiou_thresholds=self.tiou_grid)
        self.metric = metric.to(device)
        self.detections: dict[str, Detections] = {}

    def add(self, videos: Sequence[str], found: Sequence[Detections]) -> None:
        """Add what was found in some videos.

        Raises:
            UserError: a video without class scores, where they are needed.
        """
        if self.video_classes:
            found = [self.video_classes.label(*proposals) for proposals in zip(videos, found, strict=True)]
        if self.split:
            predictions = [detection.as_prediction(video) for video, detection in zip(videos, found, strict=True)]
            self.metric.update(predictions, [self.truth[video] for video in videos])
        self.detections |= {video: detection.cpu() for video, detection in zip(videos, found, strict=True)}

    def gather(self, world_size: int) -> None:
        """Bring the detections of all ranks together (the metric does so by itself)."""
        self.detections = union_over_ranks(self.detections, world_size)

    def score(self) -> tuple[dict[str, float], Tensor]:
        """Return named numbers (see `named_scores`) and the average precision per class and threshold, (C, T)."""
        values = self.metric.compute()
        if self.split and values["map"].isnan():
            where = split_name(self.task, self.split)
            warnings.warn(f"no video of {where} has an event: there is nothing to score", stacklevel=2)
        return named_scores(values, self.tiou_grid), values["ap"].reshape(len(self.class_names), -1).cpu()

    def events(self) -> EventTable:
        """Return all detections in seconds and class names, videos in the order of their ids."""
        videos = sorted(self.detections)
        events = [
            Event(video, start, end, self.class_names[label], score)
            for video in videos
            for (start, end), score, label in self.detections[video].rows()
        ]
        return EventTable(events, videos)


def named_scores(values: Mapping[str, Tensor], tiou_grid: Sequence[float]) -> dict[str, float]:
    """Return the metric's `map`, its `recall@1` and so on, and its mAP per threshold as `map@0.10` and so on."""
    scores = {name: float(value) for name, value in values.items() if name == "map" or name.startswith("recall@")}
    # torchmetrics makes a number of what has one element
    per_tiou = zip(tiou_grid, values["map_per_tiou"].reshape(-1).tolist(), strict=True)
    return scores | {f"map@{threshold:.2f}": value for threshold, value in per_tiou}
