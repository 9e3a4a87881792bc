"""What is known of a media file whose features were extracted: kept beside them, so that none is extracted twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avel.errors import UserError
from avel.files import whole_file

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Record:
    """One media file and what came of it.

    Attributes:
        source: path of the file in the folder that was extracted.
        size: in bytes.
        modified: when it was written last, in nanoseconds since 1970.
        blake2b: hash of its content, 16 bytes in hexadecimal.
        duration: seconds that it lasts.
        steps: feature steps.
        warnings: what was wrong with it and could be mended.
        error: why it has no features; "" where it has.
    """

    source: str
    size: int = 0
    modified: int = 0
    blake2b: str = ""
    duration: float = 0.0
    steps: int = 0
    warnings: Sequence[str] = ()
    error: str = ""

    def is_about(self, path: Path) -> bool:
        """Whether a file is the one that this record was made of; it is read only where its time says otherwise."""
        status = path.stat()
        same_time = status.st_mtime_ns == self.modified
        return status.st_size == self.size and (same_time or digest(path) == self.blake2b)

    def plain(self) -> dict[str, Any]:
        """Return what there is to say, in plain values."""
        return {name: value for name, value in asdict(self).items() if value not in ("", ())}

    def write(self, path: Path) -> None:
        """Write the record as JSON."""
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(self.plain()), encoding="utf-8")


def new_record(path: Path, source: str) -> Record:
    """Begin the record of a file."""
    status = path.stat()
    return Record(source, status.st_size, status.st_mtime_ns, digest(path))


def record_of(values: dict[str, Any], where: Path) -> Record:
    """Make a record of what a JSON file says.

    Raises:
        UserError: something is missing, or there is more than belongs there.
    """
    try:
        return Record(**values)
    except TypeError as error:
        raise UserError(f"{where}: cannot be read ({error}): was it written by extract_features.py?") from None


def digest(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()
