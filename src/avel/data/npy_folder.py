"""Features in a folder of `.npy` files: one or more per video and modality."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from avel.data.families import FeatureFamily
from avel.data.feature_reader import Shape
from avel.errors import UserError, readable
from avel.files import open_regular

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NpyFolder:
    """Reads a folder of `.npy` files; see `FeatureReader` for what its methods do.

    Attributes:
        place: the folder, which need not be there.
        family: which files belong to a video.
        note: what to say of the folder where files are missing.
    """

    place: Path
    family: FeatureFamily
    note: str = ""

    @property
    def sought(self) -> str:
        """What a missing video lacks, for messages."""
        return f"feature files ({self.family.patterns()}{self.note})"

    def describe(self, video: str) -> str:
        """Return the names of a video's files, for messages."""
        return ", ".join(self.family.names(video))

    def videos(self) -> list[str]:
        """Return the ids of all videos that have a file of the first kind, in any order."""
        prefix, ending = self.family.prefix, self.family.visual[0]
        names = [name for name in self._names() if name.startswith(prefix) and name.endswith(ending)]
        return [name.removeprefix(prefix).removesuffix(ending) for name in names]

    def missing(self, videos: Sequence[str]) -> list[str]:
        """Return those of `videos` that lack a file, with one look at the folder."""
        present = self._names()
        return [video for video in videos if not present.issuperset(self.family.names(video))]

    def shape(self, video: str) -> Shape:
        """Return the lengths and widths of a video's features, from the headers of its files alone."""
        visual, audio = self._by_modality([read_npy_shape(path) for path in self.paths(video)])
        return Shape(
            visual_length=min(length for length, _ in visual),
            audio_length=min(length for length, _ in audio or visual),
            visual_dim=sum(width for _, width in visual),
            audio_dim=sum(width for _, width in audio),
        )

    def expect(self, videos: Sequence[str]) -> None:
        """Do nothing: to begin with many files would mean to open them twice."""

    def read(self, video: str) -> tuple[Tensor, Tensor]:
        """Return a video's features; files of one modality stand side by side, cut to the shortest."""
        visual, audio = self._by_modality([read_npy(path) for path in self.paths(video)])
        joined = _join(visual)
        return torch.from_numpy(joined), torch.from_numpy(_join(audio) if audio else joined[:, :0])

    def paths(self, video: str) -> list[Path]:
        """Return a video's files, the visual ones first."""
        return [self.place / name for name in self.family.names(video)]

    def _by_modality(self, files: list[T]) -> tuple[list[T], list[T]]:
        visual = len(self.family.visual)
        return files[:visual], files[visual:]

    def _names(self) -> set[str]:
        try:
            with os.scandir(self.place) as entries:
                return {entry.name for entry in entries}
        except OSError:
            return set()


HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(path: Path, *, maps: bool = False) -> npt.NDArray[np.float32]:
    """Read a feature file as (T, D) float32 or, where `maps` are taken too, (T, H, W, D).

    Raises:
        UserError: the file is missing, damaged, empty, not a matrix of numbers (or maps), or holds NaN or infinity.
    """
    with _clear_errors(path), open_regular(path) as file:
        shape, fortran_order, dtype = _read_header(path, file, axes=(2, 4) if maps else (2,))
        array = np.fromfile(file, dtype, math.prod(shape)).reshape(shape, order="F" if fortran_order else "C")
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
    with _clear_errors(path), open_regular(path) as file:
        length, width = _read_header(path, file)[0]
    return length, width


def _read_header(path: Path, file: BinaryIO, axes: tuple[int, ...] = (2,)) -> tuple[tuple[int, ...], bool, Any]:
    """Return the shape, whether it counts columns first, and the type of an array that the file holds completely."""
    version = np.lib.format.read_magic(file)
    if version not in HEADER_READERS:
        raise ValueError(f"format version {version} is not supported, save it again with numpy.save")
    shape, fortran_order, dtype = HEADER_READERS[version](file)
    if len(shape) not in axes or not np.issubdtype(dtype, np.floating):
        raise UserError(
            f"{path}: must be a float matrix (snippets, channels), is {dtype} of shape {shape}: save it as such"
        )
    if min(shape) < 1:
        raise UserError(f"{path}: is empty (shape {shape}): extract or download this file again")
    missing = file.tell() + dtype.itemsize * math.prod(shape) - os.fstat(file.fileno()).st_size
    if missing > 0:  # before memory is taken for what is not there
        raise UserError(f"{path}: is cut off, {missing} bytes are missing: download or extract it again")
    return shape, fortran_order, dtype


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # numpy answers damaged headers with half a dozen kinds of errors
        raise UserError(f"{path}: cannot be read as .npy: {readable(str(error), 200)}") from None


def _join(parts: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    length = min(len(part) for part in parts)
    return np.concatenate([part[:length] for part in parts], axis=1) if len(parts) > 1 else parts[0]
