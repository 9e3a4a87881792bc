"""Localized videos as a folder of files: for programs, for editors of sound, for players, and to look at.

    events.json  events.csv  index.html  pages/<video>.html  labels/<video>.txt  subtitles/<video>.srt

The tables hold all events. Labels and subtitles hold the sure ones; the pages begin with those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avel.events import Event, EventTable
from avel.exchange.audacity import write_labels
from avel.exchange.subtitles import write_subtitles
from avel.report.page import Page, default_threshold, write_index, write_page

TABLE, INDEX = "events.json", "index.html"
FOLDERS = ("labels", "subtitles", "pages")


@dataclass(frozen=True, slots=True)
class LocalizedVideo:
    """What was found in a media file.

    Attributes:
        video: its id.
        path: the file.
        duration: seconds that it lasts.
        events: what happens in it, surest first.
    """

    video: str
    path: Path
    duration: float
    events: tuple[Event, ...]


def write_video(folder: Path, found: LocalizedVideo, threshold: float | None = None) -> Page:
    """Write the files of one video.

    Args:
        folder: of all files.
        found: what was found.
        threshold: score from which on an event is sure; None for half of the best in the video, see
            `default_threshold`.
    """
    shown = default_threshold(found.events) if threshold is None else threshold
    sure = EventTable(list(found.events)).above(shown)
    write_labels(folder / "labels" / f"{found.video}.txt", sorted(sure, key=lambda event: (event.start, event.end)))
    write_subtitles(folder / "subtitles" / f"{found.video}.srt", sure)
    path, index = folder / "pages" / f"{found.video}.html", folder / INDEX
    return write_page(path, found.path, found.duration, found.events, threshold=shown, index=index)


def write_tables(folder: Path, videos: Sequence[LocalizedVideo], pages: Sequence[Page]) -> None:
    """Write the files about all videos; the last one says that all are there."""
    table = EventTable([event for found in videos for event in found.events], [found.video for found in videos])
    write_index(folder / INDEX, pages)
    table.write_csv(folder / "events.csv")
    table.write_json(folder / TABLE)
