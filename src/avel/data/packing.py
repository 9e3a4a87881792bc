"""Packs features into one file, which `avel.data.packed` reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import torch
from torch import Tensor

from avel.data.feature_reader import FeatureReader, Shape
from avel.data.packed import PackedFeatures
from avel.data.packing_outcome import Packing, Rounding
from avel.errors import UserError, check_choice
from avel.files import check_space, whole_file

DTYPES = {"float32": torch.float32, "float16": torch.float16}
ALIGNMENT = 64
"""Bytes: arrays begin at multiples, as vector instructions like it."""


class Track(Protocol):
    """Goes through videos, and may show how far it is, as `rich.progress.track` does."""

    def __call__(self, sequence: Sequence[str], description: str) -> Iterable[str]:
        """Yield the videos."""
        ...


def without_bar(sequence: Sequence[str], description: str) -> Iterable[str]:
    """Go through videos and show nothing."""
    return sequence


def pack(
    source: FeatureReader,
    videos: Sequence[str],
    manifest: dict[str, Any],
    out: Path,
    *,
    dtype: str = "float32",
    track: Track = without_bar,
) -> Packing:
    """Write features into one file, which appears when all of it was read again and found to be the same.

    Args:
        source: reads the features.
        videos: ids.
        manifest: what the features are, see `avel.data.manifest`.
        out: the file; one that is there is replaced.
        dtype: float32 keeps every value; float16 takes half the space and rounds to 3 digits.
        track: goes through the videos, three times.

    Raises:
        UserError: features are missing, damaged or not equally wide, or too large for float16 or for the disk.
    """
    check_choice("dtype", dtype, DTYPES)
    if not videos:
        raise UserError(f"{source.place}: holds no features to pack, looked for {source.sought}")
    videos = sorted(videos)
    shapes = [source.shape(video) for video in track(videos, "Checking")]
    _check_widths(source, videos, shapes)
    packing = Packing(out, len(videos), dtype)
    with whole_file(out, durable=True) as temporary:
        check_space(out, sum(map(_values, shapes)) * DTYPES[dtype].itemsize)
        digests = []
        with h5py.File(temporary, "w", locking=False, alignment_threshold=1, alignment_interval=ALIGNMENT) as file:
            writer = _Writer(file, shapes, dtype, packing.rounding)
            _write_json(file, "manifest", manifest)
            _write_json(file, "videos", videos)
            for video in track(videos, "Packing"):
                digests.append(writer.add(video, source))
        _verify(PackedFeatures(temporary), videos, digests, track)
    return packing


class _Writer:
    """Writes video after video into arrays that are there from the beginning."""

    def __init__(self, file: h5py.File, shapes: Sequence[Shape], dtype: str, rounding: Rounding) -> None:
        first = shapes[0]
        lengths = {"visual": [s.visual_length for s in shapes], "audio": [s.audio_length for s in shapes]}
        widths = {"visual": first.visual_dim, "audio": first.audio_dim}
        self.arrays = {}
        for key in [key for key, width in widths.items() if width]:
            self.arrays[key] = file.create_dataset(key, (sum(lengths[key]), widths[key]), np.dtype(dtype))
            file[f"{key}_lengths"] = np.array(lengths[key], np.int64)
        self.dtype = DTYPES[dtype]
        self.expected = iter(shapes)
        self.rounding = rounding
        self.rows = dict.fromkeys(widths, 0)

    def add(self, video: str, source: FeatureReader) -> bytes:
        """Write the next video; return the digest of what must be read again."""
        parts, shape = source.read(video), next(self.expected)
        if [tuple(part.shape) for part in parts] != [
            (shape.visual_length, shape.visual_dim),
            (shape.audio_length, shape.audio_dim),
        ]:
            raise UserError(f"{source.place}: features of video {video!r} changed meanwhile: start again")
        kept = [self._keep(part, video, source) for part in parts]
        for (key, array), part in zip(self.arrays.items(), kept, strict=False):  # no array for audio without channels
            array[self.rows[key] : self.rows[key] + len(part)] = part.numpy()
            self.rows[key] += len(part)
        return _digest([part.float() for part in kept])

    def _keep(self, values: Tensor, video: str, source: FeatureReader) -> Tensor:
        kept = values.to(self.dtype)
        if self.dtype is torch.float16 and values.numel():
            if kept.isinf().any():
                raise UserError(
                    f"{source.place}: video {video!r} has values up to {values.abs().max():.3g}, float16 ends at 65504:"
                    " pack them as float32"
                )
            self.rounding.note(values, kept.float())
        return kept


def _verify(packed: PackedFeatures, videos: Sequence[str], digests: Sequence[bytes], track: Track) -> None:
    for video, digest in zip(track(videos, "Verifying"), digests, strict=True):
        if _digest(packed.read(video)) != digest:
            raise UserError(f"{packed.place}: video {video!r} is not what was written: is the disk damaged?")


def _digest(parts: Iterable[Tensor]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part.contiguous().numpy().data)
    return digest.digest()


def _check_widths(source: FeatureReader, videos: Sequence[str], shapes: Sequence[Shape]) -> None:
    first = shapes[0]
    for video, shape in zip(videos, shapes, strict=True):
        if (shape.visual_dim, shape.audio_dim) != (first.visual_dim, first.audio_dim):
            raise UserError(
                f"{source.place}: features of {video!r} ({source.describe(video)}) are {shape.visual_dim} and"
                f" {shape.audio_dim} wide, those of {videos[0]!r} {first.visual_dim} and {first.audio_dim}: extract or"
                " download them again"
            )


def _values(shape: Shape) -> int:
    return shape.visual_length * shape.visual_dim + shape.audio_length * shape.audio_dim


def _write_json(file: h5py.File, key: str, value: object) -> None:
    file[key] = np.frombuffer(json.dumps(value).encode(), np.uint8)
