"""Events as people exchange them: seconds, class names, scores; JSON and CSV in and out."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avel.files import whole_file

CSV_COLUMNS = ("video", "start", "end", "label", "score")


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
        """Return the table without predictions that are less sure than `score`; it speaks about the same videos."""
        return EventTable([event for event in self.events if event.score is None or event.score >= score], self.videos)

    def to_activitynet(self) -> dict[str, Any]:
        """Return the ActivityNet submission layout, `{"version", "results": {video: [{segment, label, score}]}, …}`."""
        results = {
            video: [
                {"segment": [event.start, event.end], "label": event.label}
                | ({} if event.score is None else {"score": event.score})
                for event in events
            ]
            for video, events in self.by_video().items()
        }
        return {"version": "VERSION 1.3", "results": results, "external_data": {}}

    @classmethod
    def from_activitynet(cls, document: dict[str, Any]) -> EventTable:
        """Read the ActivityNet submission layout back."""
        events = [
            Event(video, float(row["segment"][0]), float(row["segment"][1]), row["label"], row.get("score"))
            for video, rows in document["results"].items()
            for row in rows
        ]
        return cls(events, list(document["results"]))

    def write_json(self, path: Path) -> None:
        """Write the ActivityNet submission layout to `path`; the file appears whole or not at all."""
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(self.to_activitynet()), encoding="utf-8")

    @classmethod
    def read_json(cls, path: Path) -> EventTable:
        """Read a file in the ActivityNet submission layout."""
        return cls.from_activitynet(json.loads(path.read_text(encoding="utf-8")))

    def write_csv(self, path: Path) -> None:
        """Write one row per event (columns: video, start, end, label, score); the file appears whole or not at all."""
        with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(CSV_COLUMNS)
            writer.writerows(
                (e.video, e.start, e.end, e.label, "" if e.score is None else e.score) for e in self.events
            )

    @classmethod
    def read_csv(cls, path: Path) -> EventTable:
        """Read the table that `write_csv` wrote; videos without events are not in it."""
        with path.open(encoding="utf-8", newline="") as file:
            return cls(
                [
                    Event(
                        row["video"],
                        float(row["start"]),
                        float(row["end"]),
                        row["label"],
                        float(row["score"]) if row["score"] else None,
                    )
                    for row in csv.DictReader(file)
                ]
            )
