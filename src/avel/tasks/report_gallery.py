"""The videos of a report: truth and predictions, short enough for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from avel.errors import UserError
from avel.events import EventTable
from avel.report.run_report import UNIT, Found, Gallery, centiseconds, share
from avel.tasks.evaluation import DenseData
from avel.tasks.flat_tables import numbers

MOST_PREDICTIONS = 225_000
"""That a page holds: about 4 MB."""

STEPS = (200, 100, 50, 20, 10, 5, 1)
"""Predictions that a video keeps, where there are too many."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a run found in the videos of a data set, and how good that is.

    Attributes:
        table: what it found.
        quality: how well each video is done, (V,) in [0, 1], NaN where that is not defined; videos by their ids.
        kinds: what each row of the table is, (N,): 0 right, else a kind of mistake; None where that is not known.
    """

    table: EventTable
    quality: Tensor
    kinds: Tensor | None = None


def same_videos(tables: Sequence[EventTable]) -> list[str]:
    """Return the ids of the videos that all tables are about, sorted.

    Raises:
        UserError: they are about different ones.
    """
    first, *others = (sorted(table.videos) for table in tables)
    if any(videos != first for videos in others):
        raise UserError("the runs predicted different videos: compare like with like")
    return first


def make_gallery(
    data: DenseData,
    split: str,
    runs: Sequence[Judged],
    *,
    measure: str,
    kinds: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
    most_predictions: int = MOST_PREDICTIONS,
) -> Gallery:
    """Collect what there is to see of a data set.

    Args:
        data: the data set.
        split: that was judged.
        runs: they are about the same videos.
        measure: what their `quality` is; "" where there is none.
        kinds: names of the kinds of mistakes, those of 1 on.
        files: video id -> its file, as seen from the page.
        most_predictions: how many may be kept; of each video the surest ones.
    """
    videos, files = same_videos([run.table for run in runs]), files or {}
    label = numbers([*data.class_names, *_other_labels(data, runs)])
    targets, durations = data.targets(split), data.annotated_durations(split)
    counts = torch.tensor([len(events) for run in runs for events in run.table.by_video().values()])
    most = next(
        (step for step in (int(counts.max()), *STEPS) if int(counts.clamp(max=step).sum()) <= most_predictions), 1
    )
    return Gallery(
        measure=measure,
        labels=tuple(label),
        videos=tuple(videos),
        durations=[centiseconds(durations[video]) for video in videos],
        files=[files.get(video, "") for video in videos] if files else [],
        truth=[_truth(targets[video]) for video in videos],
        found=tuple(_found(run, videos, label, most) for run in runs),
        kinds=tuple(kinds),
        most=most,
        left_out=int((counts - most).clamp(min=0).sum()),
    )


def _other_labels(data: DenseData, runs: Sequence[Judged]) -> list[str]:
    """Names that are no classes, such as those of what was searched."""
    return sorted({event.label for run in runs for event in run.table} - set(data.class_names))


def _truth(target: Mapping[str, Tensor]) -> list[int]:
    rows = zip(target["segments"].tolist(), target["labels"].tolist(), strict=True)
    return [
        number
        for (start, end), label in sorted(rows)
        for number in (centiseconds(start), centiseconds(end - start), label)
    ]


def _found(run: Judged, videos: Sequence[str], label: Mapping[str, int], most: int) -> Found:
    kinds = [""] * len(run.table) if run.kinds is None else [str(kind) for kind in run.kinds.tolist()]
    by_video: dict[str, list[tuple[int, list[int], str]]] = {video: [] for video in videos}
    for event, kind in zip(run.table, kinds, strict=True):
        score = round(UNIT * (event.score or 0))
        span = centiseconds(event.start), centiseconds(event.end - event.start)
        by_video[event.video].append((-score, [*span, label[event.label], score], kind))
    kept = [sorted(by_video[video], key=lambda row: row[0])[:most] for video in videos]
    return Found(
        events=[[number for _, row, _ in rows for number in row] for rows in kept],
        kinds=["".join(kind for _, _, kind in rows) for rows in kept],
        quality=[share(value) for value in run.quality.tolist()],
    )
