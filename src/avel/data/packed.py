"""Reads the features of many videos in one file, which is mapped into memory: what stays there is not even copied.

It is not read through h5py, which was measured to be slower than a file per video.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from avel.data.feature_reader import Shape
from avel.data.packed_file import AGAIN, read_ids, read_packed_manifest, read_rows
from avel.errors import UserError

NORESERVE = 0x4000 if sys.platform == "linux" else 0
"""MAP_NORESERVE, which Python names from 3.13 on: files may be larger than memory."""


class PackedFeatures:
    """Reads a packed file; see `FeatureReader` for what its methods do.

    Only what is small is read here, and the file is mapped into memory: forked workers inherit the mapping, spawned
    ones make their own. Features of float32 are views of it, which may be written to: the file does not change.
    Replacing the file does no harm (workers that are spawned later say so and stop); whoever cuts it off while it is
    mapped ends the program.

    Args:
        place: the file.

    Raises:
        UserError: it is missing, damaged, not of this kind or just being replaced; links to other files are refused.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._written = _written(place.stat()) if place.is_file() else None
        manifest = read_packed_manifest(place)
        self._numbers = {video: number for number, video in enumerate(read_ids(place))}
        keys = ["visual", "audio"] if manifest["audio"] else ["visual"]
        self._rows = [read_rows(place, key, len(self._numbers)) for key in keys]
        self._memory: mmap.mmap | None = self._map()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_memory": None}

    @property
    def sought(self) -> str:
        """What a missing video lacks, for messages."""
        return "features"

    @property
    def dtype(self) -> str:
        """How features are stored: float32 or float16."""
        return str(self._rows[0].dtype).removeprefix("torch.")

    def describe(self, video: str) -> str:
        """Return how many the features of a video are, for messages."""
        return f"number {self._numbers[video]}"

    def videos(self) -> list[str]:
        """Return the ids of all videos."""
        return list(self._numbers)

    def missing(self, videos: Sequence[str]) -> list[str]:
        """Return those of `videos` that are not in the file."""
        return [video for video in videos if video not in self._numbers]

    def shape(self, video: str) -> Shape:
        """Return the lengths and widths of a video's features."""
        number = self._number(video)
        visual, audio = self._rows[0], self._rows[-1]
        width = audio.width if audio is not visual else 0
        return Shape(visual.length(number), audio.length(number), visual.width, width)

    def expect(self, videos: Sequence[str]) -> None:
        """Let the disk begin to read some videos, in large pieces and many at a time."""
        memory = self._mapped()
        for number in map(self._number, videos):
            for rows in self._rows:
                _fetch(memory, *rows.region(number))

    def read(self, video: str) -> tuple[Tensor, Tensor]:
        """Return a video's features, in float32 whatever they are stored in."""
        number, memory = self._number(video), self._mapped()
        visual, *audio = (rows.view(memory, number).float() for rows in self._rows)
        for values in (visual, *audio):
            if not values.sum().isfinite() and not values.isfinite().all():  # sums are ten times as fast
                raise UserError(f"{self.place}: video {video!r}: holds NaN or infinite values: {AGAIN}")
        return visual, audio[0] if audio else visual[:, :0]

    def _number(self, video: str) -> int:
        if video not in self._numbers:
            raise UserError(f"{self.place}: holds no features of video {video!r}: {AGAIN}")
        return self._numbers[video]

    def _mapped(self) -> mmap.mmap:
        if self._memory is None:
            self._memory = self._map()
        return self._memory

    def _map(self) -> mmap.mmap:
        flags, writable = mmap.MAP_PRIVATE | NORESERVE, mmap.PROT_READ | mmap.PROT_WRITE
        try:
            with self.place.open("rb") as file:
                memory = mmap.mmap(file.fileno(), 0, flags=flags, prot=writable)
                written = _written(os.fstat(file.fileno()))
        except OSError as error:
            raise UserError(f"{self.place}: cannot be mapped into memory ({error}): use the .npy files") from None
        if written != self._written:  # features would be sought where they lay in the other file
            raise UserError(f"{self.place}: was replaced while it was in use: start again")
        return memory


def _written(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells a file from one that takes its place."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _fetch(memory: mmap.mmap, start: int, size: int) -> None:
    """Ask for a part of a file, as far as it is not in memory yet."""
    first = start - start % mmap.PAGESIZE
    memory.madvise(mmap.MADV_WILLNEED, first, start + size - first)
