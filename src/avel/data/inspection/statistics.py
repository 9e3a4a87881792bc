"""Counts and lengths of annotated events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt
import torch

from avel.data.annotations import Annotations, VideoAnnotation
from avel.data.module import SPLITS
from avel.segments.ops import tiou

ALIKE = 0.9
"""tIoU from which on two events of a class are taken for one that was annotated twice."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Smallest, median and largest of some numbers."""

    smallest: float
    median: float
    largest: float


@dataclass(frozen=True, slots=True)
class SplitStatistics:
    """What is in a split.

    Attributes:
        videos: how many there are.
        seconds: that they last together.
        without_events: how many of them have no event.
        events: how many there are.
        classes: how many occur.
        durations: of the videos, in seconds; None without any.
        lengths: of the events, in seconds; None without any.
        overlapping: share of the events that overlap another one of their video; 0 without any.
    """

    videos: int
    seconds: float
    without_events: int
    events: int
    classes: int
    durations: Spread | None
    lengths: Spread | None
    overlapping: float


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """How often a class occurs.

    Attributes:
        name: of the class.
        events: split -> number of its events.
        videos: how many have it.
        lengths: of its events, in seconds; None without any.
    """

    name: str
    events: dict[str, int]
    videos: int
    lengths: Spread | None

    @property
    def total(self) -> int:
        """Number of events in all splits."""
        return sum(self.events.values())


def spread(values: Sequence[float]) -> Spread | None:
    """Return smallest, median and largest; None for no values."""
    return Spread(min(values), median(values), max(values)) if values else None


def split_statistics(videos: Sequence[VideoAnnotation]) -> SplitStatistics:
    """Count what is in some videos."""
    counts = [len(video.labels) for video in videos]
    return SplitStatistics(
        videos=len(videos),
        seconds=sum(video.duration for video in videos),
        without_events=counts.count(0),
        events=sum(counts),
        classes=len({label for video in videos for label in video.labels.tolist()}),
        durations=spread([video.duration for video in videos]),
        lengths=spread([length for video in videos for length in _lengths(video.segments)]),
        overlapping=sum(_overlapping(video.segments) for video in videos) / max(sum(counts), 1),
    )


def class_statistics(annotations: Annotations) -> list[ClassStatistics]:
    """Count every class, in the order of their ids."""
    return [_class(annotations, label, name) for label, name in enumerate(annotations.class_names)]


def near_repeats(video: VideoAnnotation) -> list[tuple[int, int]]:
    """Return the pairs of events of a class that nearly coincide, see `ALIKE`."""
    segments, labels = torch.from_numpy(video.segments), torch.from_numpy(video.labels)
    alike = (tiou(segments, segments) >= ALIKE) & (labels[:, None] == labels)
    return [(first, second) for first, second in alike.triu(diagonal=1).nonzero().tolist()]


def _class(annotations: Annotations, label: int, name: str) -> ClassStatistics:
    found = {
        split: [video.segments[video.labels == label] for video in annotations.split(split) if label in video.labels]
        for split in SPLITS
    }
    segments = [rows for videos in found.values() for rows in videos]
    return ClassStatistics(
        name=name,
        events={split: sum(map(len, videos)) for split, videos in found.items()},
        videos=len(segments),
        lengths=spread([length for rows in segments for length in _lengths(rows)]),
    )


def _lengths(segments: npt.NDArray[np.float64]) -> list[float]:
    lengths: list[float] = (segments[:, 1] - segments[:, 0]).tolist()
    return lengths


def _overlapping(segments: npt.NDArray[np.float64]) -> int:
    """Count the events that overlap another one."""
    starts, ends = segments.T
    overlap = (starts[:, None] < ends) & (starts < ends[:, None])
    return int((overlap.sum(axis=1) > 1).sum())
