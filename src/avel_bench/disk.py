"""Files that are written to be read."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from avel.errors import UserError
from avel_bench.settings import Settings

SHARE = 0.5
"""Of the free space of a disk that may be taken for a while."""


@contextmanager
def temporary_folder(settings: Settings) -> Iterator[Path]:
    """Give a folder on the disk that is to be measured; it goes with all that is in it."""
    with TemporaryDirectory(prefix="avel-bench-", dir=settings.folder) as folder:
        yield Path(folder)


def videos_that_fit(folder: Path, settings: Settings, *, default: int, each: int) -> int:
    """Return how many videos are written: those asked for, else the default, or as many as the disk lets.

    Args:
        folder: on the disk.
        settings: may say how many.
        default: how many without that.
        each: bytes of a video.

    Raises:
        UserError: what is asked for does not fit.
    """
    free = shutil.disk_usage(folder).free
    fit, least = int(SHARE * free / each), settings.videos or 1
    if fit < least:
        raise UserError(
            f"{folder}: {least} videos take {least * each / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free, half"
            " of which may be taken: choose a smaller --videos, or another disk by --folder"
        )
    return settings.videos or min(default, fit)


def files_in(place: Path) -> list[Path]:
    """Return the files of a folder, or the one file."""
    return [place] if place.is_file() else list(place.iterdir())


def mebibytes(place: Path) -> float:
    """Return how large files are."""
    return sum(path.stat().st_size for path in files_in(place)) / 2**20


def forget(place: Path) -> None:
    """Drop the contents of files from memory, not what the system knows of where they lie.

    Raises:
        UserError: the system cannot.
    """
    if sys.platform != "linux":
        raise UserError(
            "the groups features and ave read from a cold disk, which Linux alone can prepare: leave them out"
        )
    for path in files_in(place):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
