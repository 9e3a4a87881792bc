"""Names of files for videos of any id: plain ones, which every system takes and which lead to no other folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from avel.errors import UserError
from avel.files import tells_apart

UNSAFE = re.compile(r'[<>:"/\\|?*]|^[. ]+|[. ]+$')
RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9])(\..*)?", re.IGNORECASE)
"""What Windows takes for devices."""
LONGEST = 180
"""Bytes; file systems take 255, with what is put before and behind."""


def file_names(videos: Iterable[str]) -> dict[str, str]:
    """Return a name without an ending for every video.

    It is the id where that is a plain name; else one that reads alike, "~" and a hash of the id. No two are the same,
    not even where capitals do not count.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for video in videos:
        name = _plain(video)
        if name != video:
            name += _mark(video)
        while _folded(name) in taken:
            name += _mark(video)
        taken.add(_folded(name))
        names[video] = name
    return names


def check_told_apart(folder: Path, names: Iterable[str]) -> None:
    """Refuse names that the disk of a folder takes for one: the files of one would replace those of the other.

    Raises:
        UserError: there are two such.
    """
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(_folded(name), name)
        if first != name and not tells_apart(folder, first, name):
            raise UserError(
                f"{folder}: this disk takes {first!r} and {name!r} for one name: rename one, or choose another disk"
            )


def is_plain(name: str) -> bool:
    """Whether a name, read from a file, is that of something in the folder itself."""
    return bool(name) and name.isprintable() and not UNSAFE.search(name)


def _plain(video: str) -> str:
    printable = "".join(sign if sign.isprintable() else "_" for sign in video)
    name = UNSAFE.sub("_", printable)
    short = name.encode()[:LONGEST].decode(errors="ignore")
    return f"_{short}" if not short or RESERVED.fullmatch(short) else short


def _mark(video: str) -> str:
    return "~" + blake2b(video.encode(errors="surrogatepass"), digest_size=4).hexdigest()


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
