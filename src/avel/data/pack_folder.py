"""Packs folders of features: finished ones, which stay as they are, and those that extraction fills bit by bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from avel.data.families import FeatureFamily
from avel.data.feature_reader import FeatureReader, Shape
from avel.data.manifest import NAME, family_of, manifest_of, read_manifest
from avel.data.npy_folder import NpyFolder
from avel.data.packed import PackedFeatures
from avel.data.packed_file import PACKED
from avel.data.packing import DTYPES, Track, pack, without_bar
from avel.data.packing_outcome import Packing
from avel.data.text_files import read_json
from avel.errors import UserError, check_choice, check_flag


def pack_folder(
    folder: Path,
    out: Path,
    family: FeatureFamily | None = None,
    *,
    dtype: str = "float32",
    force: bool = False,
    track: Track = without_bar,
) -> tuple[Packing, list[str]]:
    """Pack a folder of `.npy` files, which stay as they are.

    Args:
        folder: the folder.
        out: the packed file. In the folder itself it must be called `features.h5`, or nobody would find it.
        family: which files belong to a video; None where a `manifest.json` in the folder says so.
        dtype: float32 or float16.
        force: replace `out`; but never one that holds the only features of videos of the folder.
        track: goes through the videos.

    Returns:
        What came of it, and the videos that were left out because one of their files is missing.

    Raises:
        UserError: there is nothing to pack, a file is damaged, or `out` cannot be written.
    """
    if out.suffix != ".h5" or (out.parent.resolve() == folder.resolve() and out.name != PACKED):
        raise UserError(f"{out}: must end with .h5, and in the folder of the features be called {PACKED}")
    if out.exists() and not force:
        raise UserError(f"{out}: is there already; --force replaces it")
    manifest, family = (manifest_of(family), family) if family else _described(folder)
    source = NpyFolder(folder, family)
    left_out = set(source.missing(videos := source.videos()))
    complete = [video for video in videos if video not in left_out]
    if out.parent.resolve() == folder.resolve():
        _check_kept(folder, complete)
    return pack(source, complete, manifest, out, dtype=dtype, track=track), sorted(left_out)


def pack_extracted(folder: Path, *, dtype: str | None = None, track: Track = without_bar) -> Packing | None:
    """Move what was extracted into the packed file of the folder, which then holds all videos that have features.

    A run that was killed does no harm: `.npy` files go when they are in the packed file, and it can be started again.

    Args:
        folder: the folder, see `avel.extraction.folder`.
        dtype: float32 or float16; None for that of the packed file that is there, float32 where there is none.
        track: goes through the videos.

    Returns:
        What came of it; None where there was nothing to do.

    Raises:
        UserError: a file is damaged, or values are too large for float16.
    """
    manifest, family = read_json(folder / NAME, "manifest"), read_manifest(folder)
    source = _Extracted(NpyFolder(folder, family), open_packed(folder))
    wanted, old = set(manifest["files"]), source.packed
    dtype = dtype or (old.dtype if old else "float32")
    fresh = source.fresh & wanted
    if not wanted or (old and not fresh and (wanted, dtype) == (set(old.videos()), old.dtype)):
        return None
    packing = pack(source, list(wanted), manifest, folder / PACKED, dtype=dtype, track=track)
    for video in fresh:
        for path in source.folder.paths(video):
            path.unlink()
    return packing


def check_packing(folder: Path, *, packed: bool, dtype: str | None, shapes: Iterable[Sequence[int]]) -> list[str]:
    """Look before extraction whether features can be packed after it; return the videos that are packed already.

    Args:
        folder: where features go.
        packed: whether they are to be packed.
        dtype: in which type; None for that of the packed file that is there.
        shapes: of a step's features, by encoder.

    Raises:
        UserError: there is a packed file that would not get the new features, that was rounded more than they are to
            be, or that is damaged; maps are to be packed; an unknown dtype, or one of files that are not packed; or
            `packed` is no truth value.
    """
    check_flag("packed", packed)
    check_choice("dtype", dtype or "float32", DTYPES)
    old = open_packed(folder)
    if old and not packed:
        raise UserError(f"{old.place}: the features of this folder are packed: go on with packed=true")
    if dtype and not packed:
        raise UserError(f"dtype={dtype}: is that of a packed file: give packed=true, too, or leave it out")
    if old and old.dtype == "float16" and dtype == "float32":
        raise UserError(
            f"{old.place}: its values were rounded to float16, which dtype=float32 does not undo: leave that out, or"
            " remove the file to extract all again"
        )
    if packed and (maps := [tuple(shape) for shape in shapes if len(shape) > 1]):
        raise UserError(
            f"packed=true: packed files hold vectors, but the encoder makes maps of shape {maps[0]}: leave it out"
        )
    return old.videos() if old else []


def open_packed(folder: Path) -> PackedFeatures | None:
    """Open the packed file of a folder, if it has one.

    Raises:
        UserError: it is damaged.
    """
    path = folder / PACKED
    return PackedFeatures(path) if path.is_file() else None


def _check_kept(folder: Path, videos: Sequence[str]) -> None:
    """Raise a UserError if the packed file of a folder holds features of other videos than those."""
    try:
        old = open_packed(folder)
    except UserError:  # a damaged one is no loss
        return
    if old and (lost := sorted(set(old.videos()).difference(videos))):
        shown = ", ".join(lost[:3]) + ", …" * (len(lost) > 3)
        raise UserError(
            f"{old.place}: {len(lost)} videos in it have no feature files any more: {shown}. Extraction with"
            " packed=true adds what is new to them; to pack the others alone, move the file away"
        )


@dataclass(frozen=True)
class _Extracted:
    """Reads `.npy` files where a video has them, for they are newer, and else the packed file; see `FeatureReader`."""

    folder: NpyFolder
    packed: PackedFeatures | None

    @cached_property
    def fresh(self) -> set[str]:
        """Videos that have `.npy` files."""
        videos = self.folder.videos()
        return set(videos).difference(self.folder.missing(videos))

    @property
    def place(self) -> Path:
        return self.folder.place

    @property
    def sought(self) -> str:
        return self.folder.sought

    def describe(self, video: str) -> str:
        return self._reader(video).describe(video)

    def videos(self) -> list[str]:
        return sorted(self.fresh.union(self.packed.videos() if self.packed else ()))

    def missing(self, videos: Sequence[str]) -> list[str]:
        present = set(self.videos())
        return [video for video in videos if video not in present]

    def shape(self, video: str) -> Shape:
        return self._reader(video).shape(video)

    def expect(self, videos: Sequence[str]) -> None:
        pass

    def read(self, video: str) -> tuple[Tensor, Tensor]:
        return self._reader(video).read(video)

    def _reader(self, video: str) -> FeatureReader:
        return self.folder if self.packed is None or video in self.fresh else self.packed


def _described(folder: Path) -> tuple[dict[str, Any], FeatureFamily]:
    """Return what the manifest of a folder says, whatever is packed beside it."""
    path = folder / NAME
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of features")
    if not path.is_file():
        raise UserError(f"{path}: no such file: write what the features are, or say data=NAME data.features=NAME")
    manifest = read_json(path, "manifest")
    return manifest, family_of(manifest, path)
