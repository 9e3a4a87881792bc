"""Reads annotations in any known format; what a file holds tells which it is, not what it is called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avel.data.annotations import database_of
from avel.data.event_checks import SUBSETS
from avel.data.formats.audacity import is_label_track, read_label_track
from avel.data.formats.elan import is_elan, read_elan
from avel.data.formats.entries import Entry, by_id
from avel.data.formats.label_studio import is_label_studio, read_label_studio
from avel.data.formats.table import is_table, read_table
from avel.data.text_files import parse_json, read_text
from avel.errors import UserError

KNOWN = (
    "give JSON in the layout of UnAV-100 or from Label Studio (its format JSON), a table with the columns video, start,"
    " end and label (CSV), an ELAN document (.eaf), a label track of Audacity (.txt), or a folder of the last two"
)


def read_any(path: Path, *, frame_rate: float | None = None) -> dict[str, Entry]:
    """Read annotations: video id -> entry in the layout of `avel.data.annotations`.

    An entry lacks `subset` and `duration` where the format does not say them. A folder has one file per video, named
    after it; in folders called train, validation and test (or val, training) in it lie the videos of that subset.

    Args:
        path: a file, or a folder of ELAN documents or of label tracks of Audacity.
        frame_rate: frames per second, for formats that count frames.

    Raises:
        UserError: the format is not known, or something is malformed; the message names the file.
    """
    database = _read_folder(path) if path.is_dir() else _read_file(path, frame_rate)
    try:
        return by_id(database)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def _read_file(path: Path, frame_rate: float | None) -> dict[str, Entry]:
    text = read_text(path)
    try:
        if text.lstrip()[:1] in ("{", "["):
            document = parse_json(text, path)
            if is_label_studio(document):
                return read_label_studio(document, frame_rate=frame_rate)
            if isinstance(document, dict) and "database" in document:
                return _objects(database_of(document, path))
        if is_table(text):
            return read_table(text)
        if is_elan(text):
            return {path.stem: read_elan(text)}
        if is_label_track(text):
            return {path.stem: read_label_track(text)}
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    raise UserError(f"{path}: is in no format that is known: {KNOWN}")


def _objects(database: dict[str, Any]) -> dict[str, Entry]:
    if wrong := [video for video, entry in database.items() if not isinstance(entry, dict)]:
        raise ValueError(f"video {wrong[0]!r}: must be an object with annotations")
    return database


def _read_folder(folder: Path) -> dict[str, Entry]:
    documents, tracks = (list(_files(folder, ending)) for ending in (".eaf", ".txt"))
    if documents and tracks:
        raise UserError(f"{folder}: holds both .eaf and .txt files: keep those that are not annotations elsewhere")
    if not documents and not tracks:
        raise UserError(f"{folder}: holds neither .eaf nor .txt files: {KNOWN}")
    database: dict[str, Entry] = {}
    for path, subset in documents or tracks:
        try:
            entry = read_elan(read_text(path)) if documents else read_label_track(read_text(path))
        except ValueError as error:
            raise UserError(f"{path}: {error}") from None
        if path.stem in database:
            raise UserError(f"{path}: the video {path.stem!r} has another file in {folder}: keep one of them")
        database[path.stem] = subset | entry
    return database


def _files(folder: Path, ending: str) -> Iterator[tuple[Path, Entry]]:
    """Give the visible files with an ending, and what the name of their folder says about their subset."""
    subfolders = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name.lower() in SUBSETS]
    for place in (folder, *subfolders):
        subset = {} if place == folder else {"subset": place.name}
        for path in sorted(place.iterdir()):
            if path.suffix.lower() == ending and not path.name.startswith("."):
                yield path, subset
