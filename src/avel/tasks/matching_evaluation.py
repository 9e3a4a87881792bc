"""One pass over a split of short videos in which events are searched across modalities."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from avel.decoding.matching import Matches
from avel.events import Event, EventTable
from avel.losses.ranks import union_over_ranks
from avel.metrics.matching import MatchingAccuracy, chance

QUERIES = ("audio to visual", "visual to audio")


class MatchingData(Protocol):
    """What the task of cross-modality localization asks of a data module."""

    class_names: list[str]
    selection_split: str
    snippet_seconds: float

    def snippet_labels(self, split: str) -> dict[str, Tensor]:
        """Ground truth of a split: video id -> class of each snippet, (T,) int64; C is background."""
        ...


class MatchingEvaluation:
    """Collects where events were found in one pass over a split and scores that against its annotations.

    Args:
        data: the data module; truth comes from it, not from batches.
        split: what is evaluated; None only collects.
        device: where matches come from.
    """

    def __init__(self, data: MatchingData, split: str | None, device: torch.device) -> None:
        self.class_names, self.hop, self.split = data.class_names, data.snippet_seconds, split
        self.labels = data.snippet_labels(split) if split else {}
        self.metric = MatchingAccuracy().to(device)
        self.found: dict[str, list[Event]] = {}

    def add(self, videos: Sequence[str], found: Matches) -> None:
        """Add what was found in some videos."""
        if self.split:
            labels = torch.stack([self.labels[video] for video in videos])
            self.metric.update(videos, found.starts, (labels < len(self.class_names)).to(found.starts.device))
        rows = zip(videos, *(column.tolist() for column in found), strict=True)
        self.found |= {video: self._events(video, *match) for video, *match in rows}

    def gather(self, world_size: int) -> None:
        """Bring the events of all ranks together (the metric does so by itself)."""
        self.found = union_over_ranks(self.found, world_size)

    def score(self) -> tuple[dict[str, float], Tensor]:
        """Return the numbers of `MatchingAccuracy`, and no average precision."""
        scores = {name: float(value) for name, value in self.metric.compute().items()}
        if scores["matching"] != scores["matching"]:
            message = f"no video of the {self.split} split has both event and background: there is nothing to search"
            warnings.warn(message, stacklevel=2)
        return scores, torch.empty(0)

    def events(self) -> EventTable:
        """Return the windows found in seconds, videos in the order of their ids; the label says what was searched.

        A score is 1 / (1 + mean distance): it ranks the answers and is no probability.
        """
        videos = sorted(self.found)
        return EventTable([event for video in videos for event in self.found[video]], videos)

    def _events(self, video: str, label: int, length: int, starts: list[int], distances: list[float]) -> list[Event]:
        if label == len(self.class_names):
            return []
        name, hop = self.class_names[label], self.hop
        return [
            Event(video, start * hop, (start + length) * hop, f"{query}: {name}", 1 / (1 + distance))
            for query, start, distance in zip(QUERIES, starts, distances, strict=True)
        ]


def matching_baselines(data: MatchingData, split: str) -> dict[str, dict[str, float]]:
    """Score the baselines of cross-modality localization: a random window (in expectation), and the first one.

    Args:
        data: the data set.
        split: split to predict.

    Returns:
        name of the baseline -> its scores as `MatchingEvaluation` names them, each in [0, 1].
    """
    truth = data.snippet_labels(split)
    event = torch.stack([*truth.values()]) < len(data.class_names)
    first = MatchingAccuracy()
    first.update([*truth], torch.zeros(len(truth), 2, dtype=torch.int64), event)
    baselines = {"random offset": chance(event), "always offset 0": first.compute()}
    return {name: {key: float(value) for key, value in scores.items()} for name, scores in baselines.items()}
