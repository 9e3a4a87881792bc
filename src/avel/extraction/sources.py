"""Which media files a folder holds, and what they are called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from avel.errors import UserError

ENDINGS = (
    ".3gp .aac .avi .flac .flv .m2ts .m4a .m4v .mkv .mov .mp3 .mp4 .mpeg .mpg .mts .oga .ogg .ogv .opus .ts .wav .webm"
    " .wma .wmv"
)
"""What names of media files end with."""
LONGEST_ID = 230
"""Bytes; the names of features are longer, and file systems take 255."""


class Source(NamedTuple):
    """A media file.

    Attributes:
        video: its id: the name without the ending.
        path: where it lies.
    """

    video: str
    path: Path


def find_sources(root: Path) -> list[Source]:
    """Find the media files in a folder and the folders in it, in the order of their paths; hidden ones are left out.

    Args:
        root: the folder; or one file, of any ending.

    Raises:
        UserError: there are none, two have the same id, or an id is too long.
    """
    if root.is_file():
        return [Source(root.stem, root)]
    if not root.is_dir():
        raise UserError(f"{root}: no such file or folder")
    present = [path for path in sorted(root.rglob("*")) if path.is_file() and not _is_hidden(path.relative_to(root))]
    found = [Source(path.stem, path) for path in present if path.suffix.lower() in ENDINGS.split()]
    if not found:
        raise UserError(f"{root}: holds no media files{_seen(present)}; looked for {ENDINGS}")
    _check_unique(root, found)
    if long := [path.name for video, path in found if len(os.fsencode(video)) > LONGEST_ID]:
        raise UserError(f"{root}: {len(long)} files have names that are too long, rename them: {', '.join(long[:3])}")
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _seen(paths: Iterable[Path]) -> str:
    endings = Counter(path.suffix or "no ending" for path in paths)
    return f" (but files with {', '.join(ending for ending, _ in endings.most_common(5))})" if endings else ""


def _check_unique(root: Path, sources: Iterable[Source]) -> None:
    by_id = groupby(sorted(sources), key=lambda source: source.video)
    alike = [paths for _, group in by_id if len(paths := [str(path.relative_to(root)) for _, path in group]) > 1]
    if alike:
        shown = "\n".join(f"  {', '.join(paths)}" for paths in alike[:5]) + ("\n  …" if alike[5:] else "")
        raise UserError(
            f"{root}: {len(alike)} names stand for more than one file; the name without folder and ending is a video's"
            f" id, so rename them or extract their folders one by one:\n{shown}"
        )
