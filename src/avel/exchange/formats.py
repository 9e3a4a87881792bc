"""All formats that events can be written in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from avel.errors import UserError, check_choice
from avel.events import EventTable
from avel.exchange.audacity import labels_text
from avel.exchange.elan import elan_text
from avel.exchange.folder import write_folder
from avel.exchange.label_studio import interface_text, tasks_text
from avel.exchange.media import Media
from avel.exchange.subtitles import srt_text, vtt_text
from avel.files import WriteError, whole_file


@dataclass(frozen=True, slots=True)
class Format:
    """A format.

    Attributes:
        summary: what is written, in a line.
        write: writes a table to a path; the media files are there to be named.
    """

    summary: str
    write: Callable[[EventTable, Path, Media], None]


def write_events(table: EventTable, path: Path, name: str, *, media: Media | None = None, force: bool = False) -> None:
    """Write events in a format.

    Args:
        table: the events.
        path: the file or, of formats that have several, the folder.
        name: one of `FORMATS`.
        media: files of the videos, which ELAN and Label Studio play.
        force: replace what is there.

    Raises:
        UserError: the format is not known, something is there, a time or score is not a finite number, or nothing can
            be written there.
    """
    check_choice("--to", name, FORMATS)
    if path.is_dir() and name in ONE_FILE:
        raise UserError(f"{path}: is a folder, but {name} is one file: give its name")
    if not force and (any(path.iterdir()) if path.is_dir() else path.exists()):
        raise UserError(f"{path}: is there already; --force replaces it")
    if force and path.is_file() and name not in ONE_FILE:
        raise UserError(f"{path}: is a file, but {name} is a folder of files: give another name")
    for event in table:
        if not all(math.isfinite(value) for value in (event.start, event.end, event.score or 0.0)):
            raise UserError(f"video {event.video!r}: {event} cannot be written: times and scores must be finite")
    try:
        FORMATS[name].write(table, path, media or Media())
    except WriteError:  # says so itself
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror} ({error.filename})") from None


def _activitynet(table: EventTable, path: Path, media: Media) -> None:
    table.write_json(path)


def _csv(table: EventTable, path: Path, media: Media) -> None:
    table.write_csv(path)


def _audacity(table: EventTable, path: Path, media: Media) -> None:
    write_folder(path, table, ".txt", lambda _, events: labels_text(events))


def _elan(table: EventTable, path: Path, media: Media) -> None:
    write_folder(
        path, table, ".eaf", lambda video, events: elan_text(events, media=media.paths.get(video), folder=path)
    )


def _label_studio(table: EventTable, path: Path, media: Media) -> None:
    for name, text in (("interface.xml", interface_text(table)), ("tasks.json", tasks_text(table, media))):
        with whole_file(path / name) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")


def _srt(table: EventTable, path: Path, media: Media) -> None:
    write_folder(path, table, ".srt", lambda _, events: srt_text(events, scores=True))


def _vtt(table: EventTable, path: Path, media: Media) -> None:
    write_folder(path, table, ".vtt", lambda _, events: vtt_text(events, scores=True))


FORMATS: Mapping[str, Format] = {
    "activitynet": Format("a file: JSON in ActivityNet's layout of results; read back without loss", _activitynet),
    "csv": Format("a file: a table with the columns video, start, end, label, score; read back without loss", _csv),
    "audacity": Format("a folder: a label track VIDEO.txt each; read back without loss", _audacity),
    "elan": Format("a folder: a document VIDEO.eaf each, a tier per class; read back without loss", _elan),
    "label_studio": Format(
        "a folder: tasks.json with predictions, interface.xml to see them by; nothing plays without --media",
        _label_studio,
    ),
    "srt": Format("a folder: subtitles VIDEO.srt each, with scores", _srt),
    "vtt": Format("a folder: subtitles VIDEO.vtt each (WebVTT), with scores", _vtt),
}
ONE_FILE = ("activitynet", "csv")
