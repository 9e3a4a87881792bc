"""Tables (CSV): one row per event, with a header that names the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from avel.data.formats.entries import Entry, event
from avel.exchange.text import parse_number

COLUMNS: Mapping[str, Sequence[str]] = {
    "video": ("video", "video_id", "filename", "file"),
    "start": ("start", "onset"),
    "end": ("end", "offset"),
    "label": ("label", "event_label", "event_labels", "class"),
    "subset": ("subset", "split"),
    "duration": ("duration",),
    "score": ("score", "confidence"),
}
"""What a column is for -> what its header may say; the second names are those of lists of sound events (DCASE)."""

REQUIRED = ("video", "start", "end", "label")
SEPARATORS = (",", ";", "\t")


def is_table(text: str) -> bool:
    """Whether a text begins with a header that names video, start, end and label."""
    return all(column in _header(text) for column in REQUIRED)


def read_table(text: str, *, scores: bool = False) -> dict[str, Entry]:
    """Turn a table into a database; nothing is lost but scores and columns of other names.

    The separator may be comma, semicolon or tab, columns may come in any order. Times are in seconds. A row with
    neither times nor label stands for a video without events. Subset and duration, if there are such columns, may be
    told in any row of a video.

    Args:
        text: the table.
        scores: keep them, as `score` of the events that have one.

    Raises:
        ValueError: a row is malformed, or rows of one video contradict each other; the message names the line.
    """
    places = {column: place for column, place in _header(text).items() if scores or column != "score"}
    database: dict[str, Entry] = {}
    for number, row in _rows(text)[1:]:
        cells = {column: row[place].strip() if place < len(row) else "" for column, place in places.items()}
        try:
            _add(database, cells)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return database


def _add(database: dict[str, Entry], cells: Mapping[str, str]) -> None:
    if not cells["video"]:
        raise ValueError("names no video")
    entry = database.setdefault(cells["video"], {"annotations": []})
    if subset := cells.get("subset"):
        _tell(entry, "subset", subset)
    if duration := cells.get("duration"):
        _tell(entry, "duration", _number(duration, "duration"))
    if cells["start"] or cells["end"] or cells["label"]:
        if not cells["label"]:
            raise ValueError("has times but no label")
        start, end = (_number(cells[name], name) for name in ("start", "end"))
        score = {"score": _number(cells["score"], "score", "")} if cells.get("score") else {}
        entry["annotations"].append(event(start, end, cells["label"]) | score)


def _tell(entry: Entry, key: str, value: str | float) -> None:
    if entry.setdefault(key, value) != value:
        raise ValueError(f"says {key} {value!r}, but an earlier row of the video says {entry[key]!r}")


def _number(text: str, name: str, unit: str = " of seconds") -> float:
    try:
        return parse_number(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} must be a number{unit}") from None


def _header(text: str) -> dict[str, int]:
    """Return which column is where, as far as the first line says."""
    names = [cell.strip().lower() for _, row in _rows(text[:10_000])[:1] for cell in row]
    found = {column: [names.index(alias) for alias in aliases if alias in names] for column, aliases in COLUMNS.items()}
    return {column: places[0] for column, places in found.items() if places}


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, and the line on which each of them ends."""
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(SEPARATORS, key=first.count))
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None
