"""What a report says about clips: where each second has one class, and where an event is searched across modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from avel.errors import UserError
from avel.events import EventTable
from avel.metrics.bootstrap import ResampledMean
from avel.metrics.confusion import confusion
from avel.report.run_report import Column, Section, Share, share
from avel.tasks.flat_tables import check_annotated, numbers
from avel.tasks.report_gallery import Judged, same_videos
from avel.tasks.report_subject import Subject

BACKGROUND = "background"


def segment_section(subject: Subject) -> Section:
    """Report on seconds that have one class each, or are background."""
    data, videos = subject.data, same_videos(subject.tables)
    check_annotated(videos, data, subject.split)
    labels, classes = data.snippet_labels(subject.split), len(data.class_names)
    truth = torch.stack([labels[video] for video in videos])
    found = [
        _per_snippet(table, videos, truth.shape[1], data.class_names, data.snippet_seconds) for table in subject.tables
    ]
    accuracy = [(run == truth).double().mean(dim=1) for run in found]
    counts = [confusion(run, truth, classes) for run in found]
    gallery = subject.gallery(
        [Judged(table, quality) for table, quality in zip(subject.tables, accuracy, strict=True)], "accuracy"
    )
    return replace(
        subject.section(gallery, [*data.class_names, BACKGROUND]),
        columns=_columns(counts),
        confusion=tuple(_sparse(run) for run in counts),
        differences=subject.differences([ResampledMean(quality) for quality in accuracy]),
    )


def matching_section(subject: Subject) -> Section:
    """Report on events that are given in one modality and searched in the other."""
    check_annotated(subject.tables[0].videos, subject.data, subject.split)
    targets = subject.data.targets(subject.split)
    starts = {video: of["segments"][0, 0].item() for video, of in targets.items() if len(of["segments"])}
    judged = [Judged(table, _found_starts(table, starts)) for table in subject.tables]
    gallery = subject.gallery(judged, "share of the two answers that begin with the event")
    return replace(
        subject.section(gallery, ()),
        differences=subject.differences([ResampledMean(run.quality) for run in judged]),
    )


def _per_snippet(
    table: EventTable, videos: Sequence[str], snippets: int, class_names: Sequence[str], hop: float
) -> Tensor:
    """Return the class of every snippet, (V, T); C is background.

    Raises:
        UserError: a class that the data set does not have.
    """
    number, label = numbers(videos), numbers(class_names)
    if unknown := sorted({event.label for event in table} - label.keys()):
        raise UserError(f"{unknown[0]!r} was predicted, but is no class of the data any more: repeat the run's test")
    classes = torch.full((len(videos), snippets), len(class_names))
    for event in table:
        classes[number[event.video], round(event.start / hop) : round(event.end / hop)] = label[event.label]
    return classes


def _columns(counts: Sequence[Tensor]) -> tuple[Column, ...]:
    """Say of every class, and of background, how much of it is found, and how much of what is found is right."""
    true, given = counts[0].sum(dim=1).tolist(), [run.sum(dim=0).tolist() for run in counts]
    right = [run.diagonal().tolist() for run in counts]
    return (
        Column("seconds", "annotated in these videos", (true,)),
        Column("predicted", "seconds that are taken for it", tuple(given)),
        Column("accuracy", "share of its seconds that are found", tuple(_ratios(run, true) for run in right), True),
        Column(
            "precision",
            "share of the seconds taken for it that are right",
            tuple(_ratios(*run) for run in zip(right, given, strict=True)),
            True,
        ),
    )


def _ratios(parts: Sequence[int], wholes: Sequence[int]) -> list[Share]:
    return [share(part / whole) if whole else None for part, whole in zip(parts, wholes, strict=True)]


def _sparse(counts: Tensor) -> list[tuple[int, int, int]]:
    places = counts.nonzero().tolist()
    return [(true, given, int(counts[true, given])) for true, given in places]


def _found_starts(table: EventTable, starts: Mapping[str, float]) -> Tensor:
    """Share of the answers of every video that begin with its event, (V,); NaN where nothing was searched."""
    answers = table.by_video()
    exact = ([event.start == starts.get(video) for event in answers[video]] for video in sorted(answers))
    return torch.tensor([sum(of_video) / len(of_video) if of_video else torch.nan for of_video in exact])
