"""What is in a packed file: the features of many videos in one HDF5 file.

    manifest         JSON text (bytes): what `manifest.json` says, see `avel.data.manifest`
    videos           JSON text (bytes): their ids, in the order of the rows
    visual           (sum of T_visual, D_visual) float32 or float16, in one piece: video after video
    visual_lengths   (videos,) integers: T_visual
    audio, audio_lengths   the same, where the features have audio

`avel.data.packing` writes it, `avel.data.packed` reads it.
"""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from avel.data.h5 import H5Array
from avel.errors import UserError

PACKED = "features.h5"
"""Name of a packed file in a folder of features."""
DTYPES = {np.dtype("<f4"): torch.float32, np.dtype("<f2"): torch.float16}
AGAIN = "pack the features again, see scripts/pack_features.py"


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the features of one modality lie.

    Attributes:
        start: of the first, in bytes.
        width: channels.
        dtype: how they are stored.
        ends: row behind the last one of each video.
    """

    start: int
    width: int
    dtype: torch.dtype
    ends: npt.NDArray[np.int64]

    def length(self, number: int) -> int:
        """Return how many rows a video has."""
        return int(self.ends[number] - (self.ends[number - 1] if number else 0))

    def region(self, number: int) -> tuple[int, int]:
        """Return where a video's rows begin in the file, and how long they are, in bytes."""
        row, length = self.width * self.dtype.itemsize, self.length(number)
        return self.start + row * (int(self.ends[number]) - length), row * length

    def view(self, memory: mmap.mmap, number: int) -> Tensor:
        """Return a video's rows (T, width) as they are stored."""
        length, (start, _) = self.length(number), self.region(number)
        values = torch.frombuffer(memory, dtype=self.dtype, count=length * self.width, offset=start)
        return values.view(length, self.width)


def read_packed_manifest(path: Path) -> dict[str, Any]:
    """Return what the manifest in a packed file says.

    Raises:
        UserError: the file is damaged or not of this kind.
    """
    manifest = _read_json(path, "manifest")
    lists = [manifest.get(key) for key in ("visual", "audio")] if isinstance(manifest, dict) else []
    if not lists or not all(isinstance(endings, list) and all(map(_is_text, endings)) for endings in lists):
        raise UserError(f"{path}: 'manifest': must say which files were packed (visual, audio): {AGAIN}")
    return dict(manifest)


def read_ids(path: Path) -> list[str]:
    """Return the ids of the videos in a packed file, in the order of its rows.

    Raises:
        UserError: they are damaged.
    """
    ids = _read_json(path, "videos")
    if not isinstance(ids, list) or not all(map(_is_text, ids)) or len(set(ids)) != len(ids):
        raise UserError(f"{path}: 'videos': must be a list of ids, each of them once: {AGAIN}")
    return ids


def read_rows(path: Path, key: str, videos: int) -> Rows:
    """Return where the features of one modality of a number of videos lie.

    Raises:
        UserError: they are missing, not stored as described above, or mere links.
    """
    array = H5Array(path, key, {"snippets": None, "channels": None}, kinds="f")
    lengths = H5Array(path, f"{key}_lengths", {"videos": videos}, kinds="iu").whole().astype(np.int64)
    start, dtype = array.region()
    if dtype not in DTYPES:
        raise UserError(f"{array}: must be float32 or float16, is {dtype}: {AGAIN}")
    if (lengths < 1).any() or int(lengths.sum()) != len(array):
        raise UserError(f"{path}: '{key}_lengths': do not add up to the {len(array)} rows of {key!r}: {AGAIN}")
    return Rows(start, array.shape[1], DTYPES[dtype], lengths.cumsum())


def _read_json(path: Path, key: str) -> Any:
    array = H5Array(path, key, {"bytes": None}, kinds="u", hint=AGAIN)
    try:
        return json.loads(array.whole().astype(np.uint8).tobytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{array}: is damaged ({error}): {AGAIN}") from None


def _is_text(value: object) -> bool:
    return isinstance(value, str)
