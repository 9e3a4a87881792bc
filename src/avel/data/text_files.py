"""Reads files of text and of JSON, wherever they come from; what cannot be read ends in one message."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from avel.errors import UserError
from avel.files import open_regular

LONGEST = 2**30
"""Bytes of a file of text at most: a small packed file may hold more than memory does."""

GZIP = b"\x1f\x8b"
"""What gzip's files begin with, and no text in UTF-8."""


def read_text(path: Path, kind: str = "annotation file") -> str:
    """Read a text file, packed by gzip if it begins so or ends with `.gz`.

    Args:
        path: the file.
        kind: what it should be, for messages.

    Raises:
        UserError: the file is missing, no regular one, damaged, too long or no text in UTF-8.
    """
    try:
        with open_regular(path) as file, gzip.GzipFile(fileobj=file) if _packed(path, file) else file as plain:
            content = plain.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise UserError(f"{path}: is longer than any {kind}, more than {LONGEST / 1e9:.1f} GB: remove it")
        return content.decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise UserError(f"{path}: is not a whole gzip file: download it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{path}: is not a valid {kind}: {error}: save it as UTF-8") from None


def _packed(path: Path, file: BinaryIO) -> bool:
    begins_so = file.read(len(GZIP)) == GZIP
    file.seek(0)
    return begins_so or path.suffix == ".gz"


def read_json(path: Path, kind: str = "annotation file") -> Any:
    """Parse a JSON file, packed by gzip if it begins so or ends with `.gz`.

    Raises:
        UserError: the file cannot be read, is not JSON or has a key twice.
    """
    return parse_json(read_text(path, kind), path, kind)


def parse_json(text: str, path: Path, kind: str = "annotation file") -> Any:
    """Parse the text of a JSON file, or raise a UserError if it is not JSON or has a key twice."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not a valid {kind}: {error}") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} appears twice")
    return table
