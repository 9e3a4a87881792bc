"""What all formats share: entries of a database, and the ids of videos."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from avel.events import Event

Entry = dict[str, Any]
"""A video: `annotations`, and `subset` and `duration` where the format knows them."""

MEDIA = re.compile(
    r"\.(mp4|m4v|mov|mkv|webm|avi|wmv|flv|mpe?g|ts|m2?ts|3gp|ogv|wav|mp3|m4a|aac|flac|og[ag]|opus|wma)$", re.IGNORECASE
)
"""Endings of media files."""


def event(start: float, end: float, label: str) -> Entry:
    """Return an event in the layout of a database; blanks around its label are dropped."""
    return {"segment": [start, end], "label": label.strip()}


def entry_of(events: Iterable[Event]) -> Entry:
    """Return a video with its events, without their scores."""
    return {"annotations": [event(row.start, row.end, row.label) for row in events]}


def video_id(name: str) -> str:
    """Return the id of a video that is named by its file or path: no folders, no ending of a media file."""
    return MEDIA.sub("", re.split(r"[/\\]", name.strip())[-1])


def by_id(database: Mapping[str, Entry]) -> dict[str, Entry]:
    """Rename the videos of a database to their ids.

    Raises:
        ValueError: two have the same one.
    """
    names = {video_id(name): name for name in database}
    for name in database:
        if (other := names[video_id(name)]) != name:
            raise ValueError(f"{name!r} and {other!r} would both be the video {video_id(name)!r}: rename one of them")
    return {video_id(name): entry for name, entry in database.items()}
