"""Pages to look at: one self-contained HTML file per video, with player, timeline, threshold and list; and an index."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from avel.events import Event
from avel.report.rendering import render

LEAST_THRESHOLD = 0.1
"""What a page shows at first is at least so sure."""
COLOURS = 6
"""Classes beyond share those of others; their rows tell them apart."""


@dataclass(frozen=True, slots=True)
class Page:
    """What an index says about a page.

    Attributes:
        path: of the page.
        title: of the page.
        duration: length of the video in seconds.
        events: what the page shows at first.
    """

    path: Path
    title: str
    duration: float
    events: tuple[Event, ...]


def write_page(
    path: Path,
    video_file: Path | None,
    duration: float,
    events: Sequence[Event],
    *,
    title: str = "",
    threshold: float | None = None,
    index: Path | None = None,
) -> Page:
    """Write the page of one video: what happens in it, when, and how sure that is.

    The page needs no network and no other file than the video, which it refers to by a relative path: keep the two
    together. Names are shown as they are, whatever characters they have.

    Args:
        path: where to write it.
        video_file: what it plays, None for nothing.
        duration: length of the video in seconds, positive.
        events: of the video, in any order; those without a score are always shown.
        title: of the page; by default the name of the file or of the video.
        threshold: score from which on events are shown at first, see `default_threshold`.
        index: a page of all videos to refer to, see `write_index`.

    Returns:
        What `write_index` needs to know.
    """
    ordered = sorted(events, key=lambda event: (event.start, event.end))
    classes = _classes(ordered)
    shown = default_threshold(ordered) if threshold is None else threshold
    title = title or (video_file.name if video_file else next((event.video for event in ordered), "Events"))
    rows = [[event.start, event.end, classes.index(event.label), event.score] for event in ordered]
    data = {"duration": duration, "threshold": shown, "classes": classes, "events": rows}
    render(
        path,
        "page.html",
        title=title,
        data=data,
        scored=any(event.score is not None for event in ordered),
        video=video_file and {"url": relative_url(path, video_file), "name": video_file.name},
        index=index and relative_url(path, index),
    )
    sure = (event for event in ordered if event.score is None or event.score >= shown)
    return Page(path, title, duration, tuple(sure))


def write_index(path: Path, pages: Sequence[Page], *, title: str = "Videos") -> None:
    """Write a page that lists others, each with a small timeline of what it shows at first.

    A class has one colour in all of them, if there are colours enough; else those of one timeline differ.
    """
    known = _classes([event for page in pages for event in page.events])
    shared = known if len(known) <= COLOURS else []
    videos = [_listing(path, page, shared or _classes(page.events)) for page in pages]
    render(path, "index.html", title=title, videos=videos)


def default_threshold(events: Sequence[Event]) -> float:
    """Return half of the best score, at least 0.1: how high scores are differs from method to method."""
    best = max((event.score for event in events if event.score is not None), default=0.0)
    return max(round(best / 2, 2), LEAST_THRESHOLD)


def clock(seconds: float) -> str:
    """Write a time as players do: m:ss or h:mm:ss, rounded down."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _classes(events: Sequence[Event]) -> list[str]:
    """Order classes by their surest event: whoever lowers the threshold sees rows added at the end."""
    surest: dict[str, float] = {}
    for event in events:
        score = float("inf") if event.score is None else event.score
        surest[event.label] = max(score, surest.get(event.label, score))
    return sorted(surest, key=lambda label: -surest[label])


def _listing(index: Path, page: Page, coloured: Sequence[str]) -> dict[str, Any]:
    classes = _classes(page.events)
    percent = 100 / page.duration
    return {
        "title": page.title,
        "link": relative_url(index, page.path),
        "length": clock(page.duration),
        "classes": [{"name": label, "colour": coloured.index(label) % COLOURS} for label in classes],
        "lanes": min(max(len(classes), 1), COLOURS),
        "bars": [
            {
                "left": percent * event.start,
                "width": percent * (event.end - event.start),
                "lane": classes.index(event.label) % COLOURS,
                "colour": coloured.index(event.label) % COLOURS,
            }
            for event in page.events
        ],
    }


def relative_url(page: Path, target: Path) -> str:
    """Return the relative URL of a file, seen from a page."""
    relative = os.path.relpath(target, page.parent)
    return quote(os.fsencode(relative.replace(os.sep, "/")))
