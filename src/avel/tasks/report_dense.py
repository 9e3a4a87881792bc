"""What a report says where events are ranked by their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from avel.events import EventTable
from avel.metrics.bootstrap import ResampledMAP
from avel.metrics.error_kinds import KINDS, false_positive_kinds
from avel.metrics.errors import ErrorProfile, analyse
from avel.metrics.functional import dense_average_precision
from avel.metrics.one_sided import OneSided
from avel.metrics.precision_recall import precision_recall
from avel.metrics.tables import Events, Predictions
from avel.metrics.video_ap import video_average_precision
from avel.report.run_report import Column, Precision, Section, Share
from avel.tasks.evaluation import DenseData
from avel.tasks.flat_tables import events_of, numbers, one_sided_of, predictions_of, ranked_rows
from avel.tasks.report_errors import error_analysis
from avel.tasks.report_gallery import Judged, same_videos
from avel.tasks.report_subject import Subject, shares

RECALLS = 51
"""Points of a curve of precision over recall."""

USUAL_TIOU = 0.5
"""Threshold at which mistakes are counted, or the nearest one of the grid."""

SAME = 1e-6
"""Scores differ by less where only rounding differs."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What predictions are judged by.

    Attributes:
        events: that are annotated.
        num_classes: C.
        grid: thresholds of the mAP, (T,) float64.
        usual: threshold at which mistakes are counted.
        durations: of the videos in seconds, (V,).
        one_sided: what is only heard or only seen, None where the annotations do not tell.
    """

    events: Events
    num_classes: int
    grid: Tensor
    usual: float
    durations: Tensor
    one_sided: OneSided | None


@dataclass(frozen=True, eq=False)
class DenseRun:
    """What a run found, and how good it is.

    Attributes:
        table: what it found.
        found: the same as a flat table.
        ground: what that is judged by.
    """

    table: EventTable
    found: Predictions
    ground: Ground

    @cached_property
    def ap(self) -> Tensor:
        """Average precision (C, T)."""
        ground = self.ground
        judged = dense_average_precision(
            self.found, ground.events, num_classes=ground.num_classes, tiou_thresholds=ground.grid
        )
        return judged.ap

    def profile(self) -> ErrorProfile:
        """Return where it fails."""
        ground = self.ground
        return analyse(
            self.found,
            ground.events,
            num_classes=ground.num_classes,
            tiou_thresholds=ground.grid,
            tiou_threshold=ground.usual,
            durations=ground.durations,
            one_sided=ground.one_sided,
        )

    def curves(self) -> list[list[list[Share]] | None]:
        """Return precision over recall, per class and threshold."""
        ground = self.ground
        curves = precision_recall(
            self.found, ground.events, num_classes=ground.num_classes, tiou_thresholds=ground.grid, points=RECALLS
        )
        return [None if of_class.isnan().any() else [shares(row) for row in of_class] for of_class in curves]

    def judged(self) -> Judged:
        """Return how well each video is done, and which predictions are right."""
        ground, num_classes = self.ground, self.ground.num_classes
        quality = video_average_precision(
            self.found,
            ground.events,
            num_videos=len(ground.durations),
            num_classes=num_classes,
            tiou_thresholds=ground.grid,
        )
        kinds = false_positive_kinds(self.found, ground.events, num_classes=num_classes, tiou_threshold=ground.usual)
        return Judged(self.table, quality, kinds + 1)

    def resampled(self) -> ResampledMAP:
        """Return the mAP of any draw of videos."""
        ground = self.ground
        return ResampledMAP(
            self.found,
            ground.events,
            num_videos=len(ground.durations),
            num_classes=ground.num_classes,
            tiou_thresholds=ground.grid,
        )


def dense_section(subject: Subject) -> Section:
    """Report on events of classes that are ranked by their scores."""
    data, runs = subject.data, _runs(subject)
    gallery = subject.gallery([run.judged() for run in runs], "average precision", KINDS)
    return replace(
        subject.section(gallery, data.class_names),
        columns=_columns(runs),
        precision=Precision(
            tuple(round(threshold, 4) for threshold in data.tiou_grid),
            tuple([shares(row) for row in run.ap] for run in runs),
            tuple(run.curves() for run in runs),
        ),
        errors=tuple(error_analysis(run.profile()) for run in runs),
        differences=subject.differences([run.resampled() for run in runs]) if len(runs) > 1 else (),
        notes=_notes(subject, runs),
    )


def ground_of(data: DenseData, number: Mapping[str, int], split: str) -> Ground:
    """Return what predictions on some videos are judged by.

    Args:
        data: the data set.
        number: video id -> its number.
        split: that the videos are of.
    """
    seconds = data.annotated_durations(split)
    return Ground(
        events=events_of(data, number, split),
        num_classes=len(data.class_names),
        grid=torch.tensor(data.tiou_grid, dtype=torch.float64),
        usual=min(data.tiou_grid, key=lambda threshold: abs(threshold - USUAL_TIOU)),
        durations=torch.tensor([seconds[video] for video in number], dtype=torch.float64),
        one_sided=one_sided_of(data, number, split),
    )


def _runs(subject: Subject) -> list[DenseRun]:
    label, number = numbers(subject.data.class_names), numbers(same_videos(subject.tables))
    ground = ground_of(subject.data, number, subject.split)
    tables = [ranked_rows(table, label) for table in subject.tables]
    return [DenseRun(table, predictions_of(table, number, label), ground) for table in tables]


def _columns(runs: list[DenseRun]) -> tuple[Column, ...]:
    events, classes = runs[0].ground.events, runs[0].ground.num_classes
    counts = tuple(run.found.labels.bincount(minlength=classes).tolist() for run in runs)
    return (
        Column("events", "annotated in these videos", (events.labels.bincount(minlength=classes).tolist(),)),
        Column("predictions", "of any score", counts),
        Column(
            "AP", "average precision, mean over the tIoU grid", tuple(shares(run.ap.mean(dim=1)) for run in runs), True
        ),
    )


def _notes(subject: Subject, runs: list[DenseRun]) -> tuple[str, ...]:
    """Say so where scores are not those that the runs had."""
    pairs = [(float(run.ap.nanmean()), scores.get("map")) for run, scores in zip(runs, subject.scores, strict=True)]
    return tuple(
        f"The mAP was {before:.2%} in the run and is {now:.2%} by the annotations and predictions that there are now:"
        " one of them has changed."
        for now, before in pairs
        if before is not None and abs(now - before) > SAME
    )
