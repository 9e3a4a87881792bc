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
    classes = len(annotations.class_names)
    events = {split: _counts([video.labels for video in annotations.split(split)], classes) for split in SPLITS}
    videos = _counts([np.unique(video.labels) for video in annotations.videos], classes)
    labels = _join([video.labels for video in annotations.videos])
    segments = np.concatenate([np.empty((0, 2)), *(video.segments for video in annotations.videos)])
    of_class = np.split(segments[labels.argsort(kind="stable")], np.bincount(labels, minlength=classes).cumsum()[:-1])
    return [
        ClassStatistics(
            name=name,
            events={split: counts[label] for split, counts in events.items()},
            videos=videos[label],
            lengths=spread(_lengths(of_class[label])),
        )
        for label, name in enumerate(annotations.class_names)
    ]


def near_repeats(video: VideoAnnotation) -> list[tuple[int, int]]:
    """Return the pairs of events of a class that nearly coincide, see `ALIKE`."""
    if len(np.unique(video.labels)) == len(video.labels):
        return []
    segments = torch.from_numpy(video.segments)
    alike = (tiou(segments, segments) >= ALIKE).numpy() & (video.labels[:, None] == video.labels)
    return [(first, second) for first, second in np.argwhere(np.triu(alike, k=1)).tolist()]


def _join(arrays: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *arrays])


def _counts(labels: Sequence[npt.NDArray[np.int64]], classes: int) -> list[int]:
    """Return how often each class occurs."""
    counts: list[int] = np.bincount(_join(labels), minlength=classes).tolist()
    return counts


def _lengths(segments: npt.NDArray[np.float64]) -> list[float]:
    lengths: list[float] = (segments[:, 1] - segments[:, 0]).tolist()
    return lengths


def _overlapping(segments: npt.NDArray[np.float64]) -> int:
    """Count the events that overlap another one."""
    starts, ends = segments.T
    overlap = (starts[:, None] < ends) & (starts < ends[:, None])
    return int((overlap.sum(axis=1) > 1).sum())
