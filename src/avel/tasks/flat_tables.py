"""What was found and what is true, as the flat tables that metrics read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch

from avel.errors import UserError
from avel.events import EventTable
from avel.metrics.one_sided import OneSided
from avel.metrics.tables import Events, Predictions
from avel.metrics.videos import video_number
from avel.tasks.evaluation import DenseData


def numbers(names: Sequence[str]) -> dict[str, int]:
    """Number names in their order."""
    return {name: place for place, name in enumerate(names)}


def ranked_rows(table: EventTable, classes: Collection[str]) -> EventTable:
    """Return the events of some classes as the metric reads them: tied scores of two videos by `video_number`."""
    place = {video: video_number(video) for video in table.videos}
    rows = (event for event in table if event.label in classes)
    return EventTable(sorted(rows, key=lambda event: place[event.video]), table.videos)


def predictions_of(table: EventTable, number: Mapping[str, int], label: Mapping[str, int]) -> Predictions:
    """Turn a table of predictions into a flat one, in the order of `ranked_rows`.

    Args:
        table: events of other classes are left out.
        number: video id -> its number.
        label: class name -> its number.
    """
    rows = list(ranked_rows(table, label))
    return Predictions(
        torch.tensor([number[event.video] for event in rows], dtype=torch.int64),
        torch.tensor([(event.start, event.end) for event in rows], dtype=torch.float64).reshape(-1, 2),
        torch.tensor([label[event.label] for event in rows], dtype=torch.int64),
        torch.tensor([event.score or 0.0 for event in rows], dtype=torch.float64),
    )


def check_annotated(videos: Iterable[str], data: DenseData, split: str) -> None:
    """Raise a UserError if a video that was predicted is not annotated, or no longer."""
    if unknown := set(videos) - set(data.targets(split)):
        raise UserError(
            f"the annotations of split {split} lack video {min(unknown)!r}, which was predicted: give those that the"
            " run was judged by, or repeat its test"
        )


def events_of(data: DenseData, number: Mapping[str, int], split: str) -> Events:
    """Return the ground truth of some videos, at least one.

    Args:
        data: the data set.
        number: video id -> its number.
        split: that the videos are of.

    Raises:
        UserError: a video is not annotated.
    """
    check_annotated(number, data, split)
    truth = [(number[video], of_video) for video, of_video in data.targets(split).items() if video in number]
    counts = torch.tensor([len(of_video["labels"]) for _, of_video in truth], dtype=torch.int64)
    return Events(
        torch.tensor([place for place, _ in truth], dtype=torch.int64).repeat_interleave(counts),
        torch.cat([of_video["segments"].double().reshape(-1, 2) for _, of_video in truth]),
        torch.cat([of_video["labels"].long() for _, of_video in truth]),
    )


def one_sided_of(data: DenseData, number: Mapping[str, int], split: str) -> OneSided | None:
    """Return the spans of some videos in which something is only heard or only seen, None where there are none.

    Args:
        data: the data set.
        number: video id -> its number.
        split: that the videos are of.
    """
    spans = [(number[video], of_video) for video, of_video in data.one_sided(split).items() if video in number]
    if not spans:
        return None
    counts = torch.tensor([len(of_video["labels"]) for _, of_video in spans])
    videos = torch.tensor([place for place, _ in spans]).repeat_interleave(counts)
    segments, labels, sides = (
        torch.cat([of_video[key] for _, of_video in spans]) for key in ("segments", "labels", "sides")
    )
    return OneSided(videos, segments, labels, sides)
