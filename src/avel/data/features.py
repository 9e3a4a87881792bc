"""The features of a data set: which videos have them, and whether all are alike."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from avel.data.families import FeatureFamily
from avel.data.feature_reader import FeatureReader, Shape
from avel.data.npy_folder import NpyFolder
from avel.data.packed import PackedFeatures
from avel.data.packed_file import PACKED, read_packed_manifest
from avel.errors import UserError


@dataclass(frozen=True)
class FeatureFolder:
    """The features of many videos in one folder, or in one file that they were packed into.

    Attributes:
        folder: the folder of `.npy` files or of a packed `features.h5`; or a packed file of any name.
        family: which features they are.
        hint: where to get them, for the message when some are missing.
    """

    folder: Path
    family: FeatureFamily
    hint: str = ""

    @cached_property
    def reader(self) -> FeatureReader:
        """Reads the files, whatever they are; chosen when it is first needed."""
        return open_features(self.folder, self.family)

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return {}

    @property
    def place(self) -> Path:
        """The file or folder that is read."""
        return self.reader.place

    def load(self, video: str) -> tuple[Tensor, Tensor]:
        """Return a video's features, visual (T, D_visual) and audio (T, D_audio) float32, cut to the shorter.

        Raises:
            UserError: they are missing, damaged, empty or hold NaN or infinity; the message names the file.
        """
        visual, audio = self.reader.read(video)
        length = min(len(visual), len(audio))
        return visual[:length], audio[:length]

    def expect(self, videos: Sequence[str]) -> None:
        """Say which videos are loaded next: a packed file is then read from a slow disk in large pieces."""
        self.reader.expect(videos)

    def shape(self, video: str) -> Shape:
        """Return the lengths and widths of a video's features, from the headers of its files alone.

        Raises:
            UserError: a file is missing, damaged or empty.
        """
        if video not in self._shapes:  # a run asks when it starts, and when it reads
            self._shapes[video] = self.reader.shape(video)
        return self._shapes[video]

    def missing(self, videos: Sequence[str]) -> list[str]:
        """Return those of `videos` whose features are not all there, with one look at the folder."""
        return self.reader.missing(videos)

    def videos(self) -> list[str]:
        """Return the ids of all videos of which something is there, in any order."""
        return self.reader.videos()

    def first(self, videos: Sequence[str]) -> str:
        """Return the first of `videos` that has all its features.

        Raises:
            UserError: none has.
        """
        absent = set(self.missing(videos))
        present = [video for video in videos if video not in absent]
        return (present or self.require(videos))[0]

    def require(self, videos: Sequence[str], *, allow_missing: bool = False) -> list[str]:
        """Return the videos that have all their features.

        Args:
            videos: ids.
            allow_missing: leave the others out, with a counted warning, instead of failing.

        Raises:
            UserError: features are missing (unless allowed), or no video has any.
        """
        missing = self.missing(videos)
        if not missing:
            return list(videos)
        if not allow_missing or len(missing) == len(videos):
            leave_out = "" if len(missing) == len(videos) else "Or leave them out: data.allow_missing=true\n"
            raise UserError(f"{self._describe(missing, len(videos))}\n{leave_out}{self.hint}".rstrip())
        warnings.warn(f"{self._describe(missing, len(videos))}; left out", stacklevel=2)
        absent = set(missing)
        return [video for video in videos if video not in absent]

    def check(self, videos: Sequence[str], *, visual_dim: int, audio_dim: int) -> None:
        """Look at the shapes of all features of `videos`: widths must be as given.

        Raises:
            UserError: a file is damaged, or its width is another; the message names it.
        """
        for video in videos:
            shape = self.shape(video)
            if (shape.visual_dim, shape.audio_dim) != (visual_dim, audio_dim):
                raise UserError(
                    f"{self.place}: visual and audio features of video {video!r} ({self.reader.describe(video)}) are"
                    f" {shape.visual_dim} and {shape.audio_dim} wide, of others {visual_dim} and {audio_dim}:"
                    " extract or download them again"
                )

    def _describe(self, missing: Sequence[str], total: int) -> str:
        names = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        return f"{self.place}: {len(missing)} of {total} videos lack {self.reader.sought}: {names}"


def open_features(place: Path, family: FeatureFamily) -> FeatureReader:
    """Choose a reader by what there is.

    A packed file is read where `place` is one, or is a folder with a `features.h5` that holds the files of the family;
    of one that holds others, only a message about missing files speaks. Files of the family beside it are not read; if
    some were written after it, a warning says so. Everything else is read as a folder of `.npy` files.

    Raises:
        UserError: the packed file is damaged.
    """
    packed = place / PACKED if place.is_dir() else place
    if not packed.is_file():
        return NpyFolder(place, family)
    held = read_packed_manifest(packed)
    prefix, visual, audio = held.get("prefix", ""), held["visual"], held["audio"]
    if (prefix, visual, audio) != (family.prefix, [*family.visual], [*family.audio]):
        others = " and ".join(f"{prefix}*{ending}" for ending in visual + audio)
        return NpyFolder(place, family, note=f"; {PACKED} there holds others: {others}")
    if packed != place:
        _warn_of_newer(packed, family)
    return PackedFeatures(packed)


def _warn_of_newer(packed: Path, family: FeatureFamily) -> None:
    written = packed.stat().st_mtime_ns
    if newer := sorted(name for name, time in _feature_files(packed.parent, family) if time > written):
        warnings.warn(
            f"{packed}: is read, but {len(newer)} feature files beside it are newer (first: {newer[0]}) and are not:"
            " pack them again (scripts/pack_features.py --force), or remove what you do not want",
            stacklevel=2,
        )


def _feature_files(folder: Path, family: FeatureFamily) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(family.prefix) and entry.name.endswith(family.endings):
                yield entry.name, entry.stat().st_mtime_ns
