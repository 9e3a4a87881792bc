"""Group metric: mean average precision at the scale of UnAV-100's test split, and of ten times as much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from avel.data.text_files import read_json
from avel.errors import UserError
from avel.metrics.mean_ap import DenseMeanAveragePrecision
from avel_bench.rows import Goal, Row, ratio
from avel_bench.screen import Screen
from avel_bench.settings import Settings
from avel_bench.timing import Work, time_by_turns

CLASSES, PREDICTIONS, BATCH, TIMES = 100, 100, 16, 10
VIDEOS = {"full": 2_167, "narrow": 20}
GOAL = Goal(12)
"""Times the time for ten times the predictions."""

Judged = tuple[dict[str, Any], dict[str, Any]]
"""What is predicted for a video, and what is true, as the metric takes them."""


class Events(NamedTuple):
    """True events of a video: segments (N, 2) in seconds, classes (N,)."""

    segments: Tensor
    labels: Tensor


def metric_rows(settings: Settings, screen: Screen) -> Iterator[Row]:
    """Measure the scale of the test split, ten times the videos and ten times the predictions of each video."""
    truth = draw_events(VIDEOS[settings.size])
    if settings.annotations:
        truth = read_events(settings.annotations)
    kinds = {
        "": (truth, PREDICTIONS),
        f", {TIMES} times the videos": (truth * TIMES, PREDICTIONS),
        f", {TIMES} times the predictions of each video": (truth, TIMES * PREDICTIONS),
    }
    works = []
    for kind, (events, predictions) in kinds.items():
        videos = [predict(number, of_video, predictions) for number, of_video in enumerate(events)]
        name = f"mAP, {len(videos):,} videos x {predictions:,} predictions{kind}"
        works.append(Work(name, partial(evaluate, videos)))
    first, *others = rows = time_by_turns(works, "ms", settings, screen)
    yield from rows
    for row, kind in zip(others, list(kinds)[1:], strict=True):
        yield ratio(f"mAP{kind}: times the time", row, first, GOAL)


def evaluate(videos: Sequence[Judged]) -> None:
    """Update in batches and compute."""
    metric = DenseMeanAveragePrecision(num_classes=CLASSES)
    for start in range(0, len(videos), BATCH):
        metric.update(*map(list, zip(*videos[start : start + BATCH], strict=True)))
    metric.compute()


def draw_events(videos: int) -> list[Events]:
    """Draw three events for every video."""
    return [Events((torch.rand(3, 2) * 40).sort().values, torch.randint(CLASSES, (3,))) for _ in range(videos)]


def read_events(path: Path) -> list[Events]:
    """Read the events of UnAV-100's test split.

    Raises:
        UserError: the file is no annotation file of UnAV-100.
    """
    try:
        database = read_json(path)["database"].values()
        test = [video["annotations"] for video in database if video["subset"] == "test"]
        return [
            Events(torch.tensor([e["segment"] for e in events]), torch.tensor([e["label_id"] for e in events]))
            for events in test
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: is no annotation file of UnAV-100 ({error!r}): give unav100_annotations.json"
        ) from None


def predict(video: int, truth: Events, predictions: int) -> Judged:
    """Draw predictions for a video: half of them lie around events, half anywhere."""
    half = predictions // 2
    near = torch.randint(len(truth.labels), (half,))
    places = [truth.segments[near] + torch.randn(half, 2), torch.rand(predictions - half, 2) * 60]
    classes = torch.cat([truth.labels[near], torch.randint(CLASSES, (predictions - half,))])
    true = {"video_id": video, "segments": truth.segments, "labels": truth.labels}
    guess = {"segments": torch.cat(places).sort().values, "labels": classes, "scores": torch.rand(predictions)}
    return true | guess, true
