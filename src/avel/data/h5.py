"""Reads arrays in HDF5 files row by row, in whichever process asks: they may be larger than memory."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from avel.errors import UserError

Axes = Mapping[str, int | None]
"""Name of each axis -> its length; None stands for any from 1 on."""
LARGEST = 2**30
"""Bytes that are read at once: a small compressed file may hold more than memory does."""
CHECKSUM = 4
"""Bytes of the checksum that HDF5 appends to a chunk (Fletcher)."""


class H5Array:
    """One array of numbers in an HDF5 file.

    Only the header is read here. Each process opens the file for itself when it first reads: a handle that a forked
    worker inherits shares its place with that of its parent, and none can be sent to a spawned one.

    Args:
        path: the file.
        key: name of the array in it.
        axes: what its shape must be.
        kinds: what it may hold, as in `numpy.dtype.kind`: f floats, i and u integers.
        hint: where to get the file, for the message when it is missing.

    Attributes:
        shape: its shape.

    Raises:
        UserError: the file is missing or damaged, or the array is missing, a mere link, or not as described; the
            message names file and key.
    """

    def __init__(self, path: Path, key: str, axes: Axes, *, kinds: str = "fiu", hint: str = "") -> None:
        self.path, self.key = path, key
        self._open_in: tuple[int, h5py.Dataset] | None = None
        self._stored: npt.NDArray[Any] | None = None
        if not path.is_file():
            raise UserError(f"{path}: no such file\n{hint}".rstrip())
        with self._clear_errors(), h5py.File(path, "r", locking=False) as file:
            dataset = self._find(file)
            self.shape, dtype = tuple(map(int, dataset.shape or ())), dataset.dtype
        if dtype.kind not in kinds:
            kind = "numbers" if "f" in kinds else "whole numbers"
            raise UserError(f"{self}: must hold {kind}, holds {dtype}: download or write it again")
        if len(self.shape) != len(axes) or not all(
            length == wanted or (wanted is None and length > 0)
            for length, wanted in zip(self.shape, axes.values(), strict=True)
        ):
            wanted = ", ".join(name if length is None else f"{length} {name}" for name, length in axes.items())
            raise UserError(f"{self}: must have the shape ({wanted}), has {self.shape}: download or write it again")
        self._check_size(math.prod(self.shape[1:]) * dtype.itemsize)

    def __len__(self) -> int:
        return self.shape[0]

    def __str__(self) -> str:
        return f"{self.path}: {self.key!r}"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open_in": None, "_stored": None}

    def expect(self, row: int, part: slice = slice(None)) -> None:
        """Let the disk begin to read a part of a row: many at a time are read faster than one after the other.

        Only on Linux, and where rows lie in one piece; elsewhere nothing happens.

        Raises:
            UserError: the file cannot be read.
        """
        with self._clear_errors(f", row {row}"):
            dataset = self._dataset()
            begin = dataset.id.get_offset()
            if sys.platform == "linux" and begin is not None:
                first, last, _ = part.indices(self.shape[1])
                snippet = dataset.dtype.itemsize * math.prod(self.shape[2:])
                begin += (row * self.shape[1] + first) * snippet
                handle = dataset.file.id.get_vfd_handle()
                os.posix_fadvise(handle, begin, (last - first) * snippet, os.POSIX_FADV_WILLNEED)

    def read(
        self, row: int, part: slice = slice(None), *, out: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return a part of a row as float32; nothing else is read from the file.

        Args:
            row: index on the first axis.
            part: range on the second axis.
            out: array to write it into, C-contiguous: fresh memory for every row would cost more than reading it.

        Raises:
            UserError: the row cannot be read, or holds NaN or infinity; the message names file and row.
        """
        if out is None:
            out = np.empty((len(range(*part.indices(self.shape[1]))), *self.shape[2:]), np.float32)
        with self._clear_errors(f", row {row}"):
            dataset = self._dataset()
            stored = out if dataset.dtype == out.dtype else self._scratch(out.shape, dataset.dtype)
            dataset.read_direct(stored, np.s_[row, part])
        if stored is not out:
            with np.errstate(over="ignore"):  # what does not fit becomes infinity, which is reported below
                np.copyto(out, stored, casting="unsafe")
        if not np.isfinite(out).all():
            raise UserError(f"{self}, row {row}: holds NaN or infinite values: extract or download this file again")
        return out

    def whole(self) -> npt.NDArray[Any]:
        """Return all of a small array as it is stored.

        Raises:
            UserError: it cannot be read.
        """
        with self._clear_errors(), h5py.File(self.path, "r", locking=False) as file:
            dataset = self._find(file)
            self._check_size(math.prod(self.shape) * dataset.dtype.itemsize)
            return np.asarray(dataset[()])

    def region(self) -> tuple[int, np.dtype[Any]]:
        """Return where in the file the numbers begin, in bytes, and of which type they are.

        Raises:
            UserError: they do not lie there one after the other, or the file is cut off.
        """
        with self._clear_errors(), h5py.File(self.path, "r", locking=False) as file:
            dataset = self._find(file)
            start, dtype = dataset.id.get_offset(), dataset.dtype
        if start is None:
            raise UserError(f"{self}: is stored in chunks or compressed: write it in one piece")
        if missing := max(start + dtype.itemsize * math.prod(self.shape) - self.path.stat().st_size, 0):
            raise UserError(f"{self}: is cut off, {missing} bytes are missing: write the file again")
        return start, dtype

    def _check_size(self, size: int) -> None:
        if size > LARGEST:
            much = f"{size:,} bytes at once, more than {LARGEST:,}"
            raise UserError(f"{self}: is said to have {much}: download or write it again")

    def _dataset(self) -> h5py.Dataset:
        process = os.getpid()
        if self._open_in is None or self._open_in[0] != process:
            if self._open_in is not None:
                self._open_in[1].file.close()  # first: HDF5 would give the inherited handle again
            self._open_in = process, self._find(h5py.File(self.path, "r", locking=False))
        return self._open_in[1]

    def _scratch(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return memory for what is converted next; it is kept for later rows."""
        values = math.prod(shape)
        if self._stored is None or len(self._stored) < values:
            self._stored = np.empty(values, dtype)
        return self._stored[:values].reshape(shape)

    def _find(self, file: h5py.File) -> h5py.Dataset:
        link = file.get(self.key, getlink=True)
        if link is None:
            held = sorted(map(str, file))  # a damaged name is bytes
            raise UserError(f"{self}: no such array, the file holds {held}: download or write it again")
        found = file[self.key] if isinstance(link, h5py.HardLink) else None
        if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
            raise UserError(f"{self}: must be an array in this file, not a group or a link: write its numbers there")
        self._check_size(math.prod(found.chunks or ()) * found.dtype.itemsize)  # of one row, all of it is read
        if not _is_complete(found):  # HDF5 would read zeros
            raise UserError(f"{self}: was never written completely: write the file again")
        if found.fletcher32 and min(_chunk_sizes(found), default=CHECKSUM) < CHECKSUM:  # HDF5 would end the program
            raise OSError("a chunk is shorter than its checksum")
        return found

    @contextmanager
    def _clear_errors(self, where: str = "") -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError) as error:  # damage leads to any
            raise UserError(f"{self}{where}: cannot be read as HDF5 ({error}): download this file again") from None


def _is_complete(dataset: h5py.Dataset) -> bool:
    """Whether every chunk was written, or anything where there are none."""
    if not dataset.chunks or not dataset.size:
        return not dataset.size or bool(dataset.id.get_storage_size())
    chunks = math.prod(-(-length // step) for length, step in zip(dataset.shape, dataset.chunks, strict=True))
    return chunks == int(dataset.id.get_num_chunks())


def _chunk_sizes(dataset: h5py.Dataset) -> list[int]:
    """Return how many bytes each chunk takes in the file."""
    sizes: list[int] = []
    dataset.id.chunk_iter(lambda chunk: sizes.append(chunk.size))
    return sizes
