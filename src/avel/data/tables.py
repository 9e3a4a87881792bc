"""Reads tables that were saved as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from avel.data.text_files import read_text
from avel.errors import UserError, readable


def read_table(path: Path, columns: Sequence[str], *, separator: str = ",") -> list[dict[str, str]]:
    """Return the rows of a table with a header, column -> text; what a row lacks is empty.

    Args:
        path: the file.
        columns: what the header must name.
        separator: between two columns.

    Raises:
        UserError: the file is missing, is no text or lacks a column.
    """
    text = read_text(path, "table")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restval="")
    if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
        raise UserError(f"{path}: lacks the column {missing[0]!r}, has {readable(', '.join(reader.fieldnames or ()))}")
    return [{column: row[column] for column in columns} for row in reader]
