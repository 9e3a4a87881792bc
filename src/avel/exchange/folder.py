"""Folders with a file per video, for formats that know one video only.

`videos.json` beside the files has what these cannot say: the videos in their order, with the names of their files, and
the order of events where those of several videos are mixed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from avel.errors import UserError
from avel.events import Event, EventTable
from avel.exchange.names import file_names, is_plain
from avel.files import whole_file

LIST = "videos.json"


def write_folder(folder: Path, table: EventTable, ending: str, text_of: Callable[[str, Sequence[Event]], str]) -> None:
    """Write a file per video, and then the list of them.

    Args:
        folder: where they go.
        table: all events.
        ending: of the files, e.g. ".txt".
        text_of: returns what stands in the file of a video.

    Raises:
        UserError: the folder holds files of other videos, which would be read as if they were of these; nothing is
            written then.
    """
    files = {video: name + ending for video, name in file_names(table.videos).items()}
    if others := {path.name for path in _files(folder, ending)}.difference(files.values()):
        raise UserError(f"{folder / min(others)}: is of no video that would be written: choose an empty folder")
    for video, events in table.by_video().items():
        _write(folder / files[video], text_of(video, events))
    videos = [{"video": video, "file": files[video]} for video in table.videos]
    _write(folder / LIST, json.dumps({"videos": videos, "order": table.order()}, indent=1) + "\n")


def read_folder(folder: Path, ending: str, read: Callable[[Path, str], Sequence[Event]]) -> EventTable:
    """Read the files that a list names, then all others with the ending: these are named after their videos.

    Args:
        folder: where they lie.
        ending: of the files.
        read: returns the events in the file of a video.

    Raises:
        UserError: the list is malformed, or a file in it is missing.
    """
    files, order = _listed(folder / LIST, ending) if (folder / LIST).is_file() else ({}, [])
    for path in _files(folder, ending):
        if path.name not in files:
            files[path.name] = path.stem
    if len(set(files.values())) < len(files):
        raise UserError(f"{folder / LIST}: two files are of one video: keep one of them")
    return EventTable.grouped({video: read(folder / name, video) for name, video in files.items()}, order)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _files(folder: Path, ending: str) -> list[Path]:
    """Return the visible files with an ending."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if path.suffix.lower() == ending and path.stem and not path.name.startswith(".")]


def _listed(path: Path, ending: str) -> tuple[dict[str, str], list[int]]:
    """Return file -> video, in the order of the videos, and the order of the events."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        files = {row["file"]: row["video"] for row in document["videos"]}
        order = document["order"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path}: must be a list of videos as it was written: remove it") from None
    _check(files, order, path, ending)
    return files, order


def _check(files: dict[Any, Any], order: Any, path: Path, ending: str) -> None:
    if not isinstance(order, list) or not all(type(place) is int for place in order):
        raise UserError(f'{path}: "order" must be a list of whole numbers: make it empty, []')
    for name, video in files.items():
        if not isinstance(name, str) or not isinstance(video, str) or not is_plain(name) or not name.endswith(ending):
            raise UserError(f"{path}: {name!r} must be the name of a file beside it that ends with {ending}")
        if not (path.parent / name).is_file():
            raise UserError(f"{path}: names {name}, which is not there: remove its entry")
