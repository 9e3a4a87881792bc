"""Reads feature files: which files make up a video, and what may be wrong with them."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from avel.batch import TimeGrid
from avel.errors import UserError

UNEVEN_SNIPPETS, UNEVEN_SHARE = 3, 0.05
"""Audio and visual lengths may differ by either of these without a warning."""


@dataclass(frozen=True, slots=True)
class FeatureFamily:
    """One published set of feature files.

    Attributes:
        visual: endings of a video's visual files; their features are concatenated in this order.
        audio: endings of its audio files; without any, audio features have no channels.
        grid: where the snippets lie in time.
        max_length: snippets that the published methods train on.
        folder: where the files lie in the folder of the data set.
        prefix: what their names begin with, before the video's id.
        native_fps: whether frames were taken at the video's own rate, as far as annotations state it.
    """

    visual: tuple[str, ...]
    audio: tuple[str, ...]
    grid: TimeGrid
    max_length: int
    folder: str = "av_features"
    prefix: str = ""
    native_fps: bool = False

    def grid_at(self, fps: float | None) -> TimeGrid:
        """Return the grid of a video whose annotation states `fps` frames per second, or nothing (None)."""
        return replace(self.grid, fps=fps) if self.native_fps and fps is not None else self.grid


FAMILIES = {
    "one_peace": FeatureFamily(
        visual=("_one_peace_video_finetune.npy",),
        audio=("_one_peace_audio.npy",),
        grid=TimeGrid(fps=16, stride=4, window=16),
        max_length=256,
    ),
    "i3d_vggish": FeatureFamily(
        visual=("_rgb.npy", "_flow.npy"),
        audio=("_vggish.npy",),
        grid=TimeGrid(fps=25, stride=8, window=24),
        max_length=224,
    ),
}


class Shape(NamedTuple):
    """Snippets and channels of a video's features, before audio and visual are cut alike."""

    visual_length: int
    audio_length: int
    visual_dim: int
    audio_dim: int

    @property
    def length(self) -> int:
        """Snippets that are left of both."""
        return min(self.visual_length, self.audio_length)

    @property
    def is_uneven(self) -> bool:
        """Whether audio and visual lengths differ by more than extractors explain."""
        longest = max(self.visual_length, self.audio_length)
        return abs(self.visual_length - self.audio_length) > max(UNEVEN_SNIPPETS, UNEVEN_SHARE * longest)


@dataclass(frozen=True, slots=True)
class FeatureFolder:
    """The features of many videos in one folder.

    Attributes:
        folder: where the `.npy` files lie.
        family: which files belong to a video.
        hint: where to get the files, for the message when they are missing.
    """

    folder: Path
    family: FeatureFamily
    hint: str = ""

    def load(self, video: str) -> tuple[Tensor, Tensor]:
        """Return a video's features, visual (T, D_visual) and audio (T, D_audio) float32, cut to the shorter.

        Raises:
            UserError: a file is missing, damaged, empty or holds NaN or infinity; the message names it.
        """
        visual_files, audio_files = ([read_npy(path) for path in paths] for paths in self._paths(video))
        visual = _join(visual_files)
        audio = _join(audio_files) if audio_files else visual[:, :0]
        length = min(len(visual), len(audio))
        return torch.from_numpy(visual[:length]), torch.from_numpy(audio[:length])

    def shape(self, video: str) -> Shape:
        """Return the lengths and widths of a video's features, from the headers of its files alone.

        Raises:
            UserError: a file is missing, damaged or empty.
        """
        visual, audio = ([read_npy_shape(path) for path in paths] for paths in self._paths(video))
        return Shape(
            visual_length=min(length for length, _ in visual),
            audio_length=min(length for length, _ in audio or visual),
            visual_dim=sum(width for _, width in visual),
            audio_dim=sum(width for _, width in audio),
        )

    def missing(self, videos: Sequence[str]) -> list[str]:
        """Return those of `videos` that lack a file, with one look at the folder."""
        present = self._names()
        prefix, endings = self.family.prefix, self.family.visual + self.family.audio
        return [video for video in videos if not all(f"{prefix}{video}{ending}" in present for ending in endings)]

    def videos(self) -> list[str]:
        """Return the ids of all videos that have a file of the first kind, in any order."""
        prefix, ending = self.family.prefix, self.family.visual[0]
        names = [name for name in self._names() if name.startswith(prefix) and name.endswith(ending)]
        return [name.removeprefix(prefix).removesuffix(ending) for name in names]

    def first(self, videos: Sequence[str]) -> str:
        """Return the first of `videos` that has all its files.

        Raises:
            UserError: none has.
        """
        absent = set(self.missing(videos))
        present = [video for video in videos if video not in absent]
        return (present or self.require(videos))[0]

    def require(self, videos: Sequence[str], *, allow_missing: bool = False) -> list[str]:
        """Return the videos that have all their files.

        Args:
            videos: ids.
            allow_missing: leave videos without files out, with a counted warning, instead of failing.

        Raises:
            UserError: files are missing (unless allowed), or no video has any.
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
        """Read the headers of all files of `videos`: widths must be as given, lengths should agree.

        Raises:
            UserError: a file is damaged, or its width is another; the message names it.
        """
        shapes = {video: self.shape(video) for video in videos}
        for video, shape in shapes.items():
            if (shape.visual_dim, shape.audio_dim) != (visual_dim, audio_dim):
                raise UserError(
                    f"{self.folder}: visual and audio features of video {video!r}"
                    f" ({', '.join(path.name for paths in self._paths(video) for path in paths)}) are"
                    f" {shape.visual_dim} and {shape.audio_dim} wide, of others {visual_dim} and {audio_dim}:"
                    " extract or download them again"
                )
        uneven = [(video, shape) for video, shape in shapes.items() if shape.is_uneven]
        if uneven:
            video, shape = uneven[0]
            warnings.warn(
                f"{self.folder}: visual and audio lengths differ in {len(uneven)} of {len(videos)} videos"
                f" (first: {video!r}, {shape.visual_length} and {shape.audio_length}); cut to the shorter",
                stacklevel=2,
            )

    def _names(self) -> set[str]:
        try:
            with os.scandir(self.folder) as entries:
                return {entry.name for entry in entries}
        except OSError:
            return set()

    def _describe(self, missing: Sequence[str], total: int) -> str:
        endings = " and ".join(f"{self.family.prefix}*{ending}" for ending in self.family.visual + self.family.audio)
        names = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        return f"{self.folder}: {len(missing)} of {total} videos lack feature files ({endings}): {names}"

    def _paths(self, video: str) -> tuple[list[Path], list[Path]]:
        visual, audio = (
            [self.folder / f"{self.family.prefix}{video}{ending}" for ending in endings]
            for endings in (self.family.visual, self.family.audio)
        )
        return visual, audio


HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(path: Path) -> npt.NDArray[np.float32]:
    """Read a feature file as (T, D) float32.

    Raises:
        UserError: the file is missing, damaged, empty, not a matrix of numbers, or holds NaN or infinity.
    """
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # numpy answers damaged headers with half a dozen kinds of errors
        raise UserError(f"{path}: cannot be read as .npy: {error}") from None
    _check(path, array.shape, array.dtype)
    with np.errstate(over="ignore"):  # what does not fit becomes infinity, which is reported below
        array = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        raise UserError(f"{path}: holds NaN or infinite values: extract or download this file again")
    return array


def read_npy_shape(path: Path) -> tuple[int, int]:
    """Return (T, D) of a feature file from its header.

    Raises:
        UserError: the file is missing, damaged, cut off, empty or not a matrix of numbers.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            if version not in HEADER_READERS:
                raise ValueError(f"format version {version} is not supported, save it again with numpy.save")
            shape, _, dtype = HEADER_READERS[version](file)
            missing = file.tell() + dtype.itemsize * math.prod(shape) - os.fstat(file.fileno()).st_size
    except Exception as error:  # numpy answers damaged headers with half a dozen kinds of errors
        raise UserError(f"{path}: cannot be read as .npy: {error}") from None
    _check(path, shape, dtype)
    if missing > 0:
        raise UserError(f"{path}: is cut off, {missing} bytes are missing: download or extract it again")
    return shape[0], shape[1]


def _check(path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    if len(shape) != 2 or not np.issubdtype(dtype, np.floating):
        raise UserError(
            f"{path}: must be a float matrix (snippets, channels), is {dtype} of shape {shape}: save it as float32"
        )
    if 0 in shape:
        raise UserError(f"{path}: is empty (shape {shape}): extract or download this file again")


def _join(parts: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    length = min(len(part) for part in parts)
    return np.concatenate([part[:length] for part in parts], axis=1) if len(parts) > 1 else parts[0]
