"""Reads events in any known format, predictions as well as annotations; what a file holds tells which it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from avel.data.event_checks import SUBSETS
from avel.data.formats.audacity import is_label_track
from avel.data.formats.entries import Entry, by_id
from avel.data.formats.reading import read_any
from avel.data.formats.table import is_table, read_table
from avel.data.text_files import parse_json, read_text
from avel.errors import UserError
from avel.events import CSV_COLUMNS, Event, EventTable
from avel.exchange.audacity import read_labels
from avel.exchange.elan import is_elan, read_elan
from avel.exchange.folder import LIST, read_folder
from avel.files import open_regular

T = TypeVar("T")


def read_events(path: Path) -> EventTable:
    """Read a table of events.

    What `avel.exchange` wrote as ActivityNet's results, CSV, label tracks of Audacity or documents of ELAN is read
    without loss. So are annotations in any format that `read_any` knows, and the scores in tables that another program
    has saved again.

    Args:
        path: a file; a folder of label tracks or documents; or a run's, if it predicted one split of one task.

    Raises:
        UserError: the format is not known, or something is malformed; the message names file and place.
    """
    if (path / "predictions").is_dir():
        return read_events(_predictions(path))
    try:
        return _read_folder(path) if path.is_dir() else _read_file(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _predictions(run: Path) -> Path:
    found = sorted((run / "predictions").rglob("*.json"))
    if len(found) != 1:
        listed = ": give one of them: " + ", ".join(map(str, found)) if found else ": test or predict first"
        raise UserError(f"{run}: holds {len(found)} files of predictions{listed}")
    return found[0]


def _read_folder(folder: Path) -> EventTable:
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    endings = {Path(name).suffix.lower() for name in names}.intersection(READ)
    if names == [LIST]:
        endings = {".txt"}  # it lists no videos
    if len(endings) != 1 or any(name.lower() in SUBSETS for name in names):
        return _annotations(folder)
    return read_folder(folder, (ending := endings.pop()), READ[ending])


def _read_file(path: Path) -> EventTable:
    with open_regular(path) as file:
        begin = file.read(LONGEST_HEADER).decode("utf-8-sig", errors="replace")
    header = next(iter(begin.splitlines()), "")
    if set(CSV_COLUMNS).issubset(header.strip().split(",")):
        return EventTable.read_csv(path)
    text = read_text(path)
    if text.lstrip()[:1] == "{" and "results" in (document := parse_json(text, path)):
        return _results(document, path)
    if is_table(text):
        return _entries(_parsed(path, lambda: by_id(read_table(text, scores=True))), path)
    if is_elan(text) or is_label_track(text):
        read = _document if is_elan(text) else _track
        return EventTable(read(path, path.stem), [path.stem])
    return _annotations(path)


def _document(path: Path, video: str) -> list[Event]:
    return _parsed(path, lambda: read_elan(read_text(path), video))


def _track(path: Path, video: str) -> list[Event]:
    return _parsed(path, lambda: read_labels(read_text(path), video))


def _annotations(path: Path) -> EventTable:
    return _entries(read_any(path), path)


def _entries(database: Mapping[str, Entry], path: Path) -> EventTable:
    return _results({"results": {video: entry.get("annotations") for video, entry in database.items()}}, path)


def _results(document: Any, path: Path) -> EventTable:
    return _parsed(path, lambda: EventTable.from_activitynet(document))


def _parsed(path: Path, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


READ: Mapping[str, Callable[[Path, str], list[Event]]] = {".eaf": _document, ".txt": _track}
"""Ending of the files in a folder -> what reads them."""
LONGEST_HEADER = 1000
