"""Events as people exchange them: seconds, class names, scores; JSON and CSV in and out."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from avel.errors import UserError
from avel.files import open_regular, whole_file

CSV_COLUMNS = ("video", "start", "end", "label", "score")
HALVES = "surrogatepass"
"""How halves of surrogate pairs are written: as such."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one video.

    Attributes:
        video: the video's id.
        start: first second of the event.
        end: last second of the event.
        label: class name.
        score: confidence of a prediction, None for an annotation.
    """

    video: str
    start: float
    end: float
    label: str
    score: float | None = None


@dataclass(slots=True)
class EventTable:
    """Events of many videos, in order.

    Attributes:
        events: the rows.
        videos: ids that the table speaks about, with or without events, in order of first appearance.
    """

    events: list[Event] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.videos = list(dict.fromkeys([*self.videos, *(event.video for event in self.events)]))

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def by_video(self) -> dict[str, list[Event]]:
        """Group the events: video id -> its events, every id of `videos` present."""
        groups: dict[str, list[Event]] = {video: [] for video in self.videos}
        for event in self.events:
            groups[event.video].append(event)
        return groups

    def above(self, score: float) -> EventTable:
        """Return the table without predictions that are less sure than `score`; it speaks about the same videos.

        Raises:
            UserError: the score is NaN, which no score is above or below.
        """
        if math.isnan(score):
            raise UserError(f"least score {score}: give a number")
        return EventTable([event for event in self.events if event.score is None or event.score >= score], self.videos)

    def order(self) -> list[int]:
        """Return the place in `videos` of every event's video; [] where events are grouped by video in that order."""
        place = {video: number for number, video in enumerate(self.videos)}
        places = [place[event.video] for event in self.events]
        return [] if places == sorted(places) else places

    @classmethod
    def grouped(cls, groups: Mapping[str, Sequence[Event]], order: Sequence[int] = ()) -> EventTable:
        """Join the events of videos, the inverse of `by_video` and `order`.

        Args:
            groups: video id -> its events.
            order: what `EventTable.order` said; it does not count where it does not fit the groups.
        """
        rows = [iter(events) for events in groups.values()]
        if sorted(order) == [number for number, events in enumerate(groups.values()) for _ in events]:
            return cls([next(rows[number]) for number in order], list(groups))
        return cls([event for events in rows for event in events], list(groups))

    def to_activitynet(self) -> dict[str, Any]:
        """Return the ActivityNet submission layout, `{"version", "results": {video: [{segment, label, score}]}, …}`.

        Where events of several videos are mixed, a key "order" that other programs ignore keeps `order`.
        """
        results = {
            video: [
                {"segment": [event.start, event.end], "label": event.label}
                | ({} if event.score is None else {"score": event.score})
                for event in events
            ]
            for video, events in self.by_video().items()
        }
        order = self.order()
        return {"version": "VERSION 1.3", "results": results, "external_data": {}} | ({"order": order} if order else {})

    @classmethod
    def from_activitynet(cls, document: Any) -> EventTable:
        """Read the ActivityNet submission layout back.

        Raises:
            ValueError: something is malformed; the message names the video and the event.
        """
        results = document.get("results") if isinstance(document, dict) else None
        if not isinstance(results, dict):
            raise ValueError('needs an object "results" with a list of events per video')
        order = document.get("order", [])
        if not isinstance(order, list) or not all(type(place) is int for place in order):
            raise ValueError('"order" must be a list of whole numbers: leave it out')
        return cls.grouped({video: _rows_of(video, rows) for video, rows in results.items()}, order)

    def write_json(self, path: Path) -> None:
        """Write the ActivityNet submission layout to `path`; the file appears whole or not at all."""
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(self.to_activitynet()), encoding="utf-8")

    @classmethod
    def read_json(cls, path: Path) -> EventTable:
        """Read a file in the ActivityNet submission layout.

        Raises:
            UserError: something is malformed.
        """
        try:
            with open_regular(path) as file:
                return cls.from_activitynet(json.loads(file.read().decode("utf-8")))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: is not in ActivityNet's layout of results: {error}") from None

    def write_csv(self, path: Path) -> None:
        """Write one row per event (columns: video, start, end, label, score); the file appears whole or not at all.

        Rows with a video alone tell of videos without events, and of videos that come earlier in `videos` than their
        first event. Names may hold anything, also the halves of surrogate pairs that stand for broken names of files.
        """
        with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", errors=HALVES, newline="") as file:
            writer = csv.writer(file)
            writer.writerow(CSV_COLUMNS)
            writer.writerows(self._cells())

    def _cells(self) -> Iterator[tuple[str | float, ...]]:
        place = {video: number for number, video in enumerate(self.videos)}
        told = 0
        for event in self.events:
            yield from ((video, "", "", "", "") for video in self.videos[told : place[event.video]])
            told = max(told, place[event.video] + 1)
            yield event.video, event.start, event.end, event.label, "" if event.score is None else event.score
        yield from ((video, "", "", "", "") for video in self.videos[told:])

    @classmethod
    def read_csv(cls, path: Path) -> EventTable:
        """Read the table that `write_csv` wrote.

        Raises:
            UserError: something is malformed; the message names the line.
        """
        events, videos = [], []
        with TextIOWrapper(open_regular(path), encoding="utf-8-sig", errors=HALVES, newline="") as file:
            reader = csv.DictReader(file, strict=True)
            try:
                if missing := [column for column in CSV_COLUMNS if column not in (reader.fieldnames or ())]:
                    raise ValueError(f"lacks the column {missing[0]!r}")
                for row in reader:
                    videos.append(row["video"])
                    events += _events_of(row)
            except (ValueError, csv.Error) as error:
                raise UserError(f"{path}: line {max(reader.reader.line_num, 1)}: {error}") from None
        return cls(events, videos)


def _rows_of(video: str, rows: Any) -> list[Event]:
    if not isinstance(rows, list):
        raise ValueError(f"video {video!r}: needs a list of events")
    return [_event(video, number, row) for number, row in enumerate(rows, start=1)]


def _event(video: str, number: int, row: Any) -> Event:
    try:
        (start, end), label, score = row["segment"], row["label"], row.get("score")
        if isinstance(label, str):
            return Event(video, _finite(start), _finite(end), label, None if score is None else _finite(score))
    except (TypeError, KeyError, AttributeError, ValueError):
        pass
    raise ValueError(
        f"video {video!r}, event {number}: needs a segment of two numbers of seconds, a label and, if any, a number as"
        f" score: {str(row)[:80]}"
    )


def _events_of(row: Mapping[str | None, str | None]) -> list[Event]:
    """Return the event that a row of a table tells of, if any."""
    video, start, end, label, score = (row[column] for column in CSV_COLUMNS)
    if None in row or video is None or start is None or end is None or label is None or score is None:
        raise ValueError(f"must have as many cells as the header: {str(row)[:80]}")
    if not start and not end and not label and not score:
        return []
    return [Event(video, _finite(float(start)), _finite(float(end)), label, _finite(float(score)) if score else None)]


def _finite(value: Any) -> float:
    # the comparison holds for no NaN, no infinity and no integer that is too large
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return float(value)
    raise ValueError(f"{value!r} must be a finite number")
