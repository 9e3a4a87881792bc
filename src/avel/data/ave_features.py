"""Writes the feature files of AVE from a folder of extracted features: a row for every line of `Annotations.txt`."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from avel.data.ave_annotations import KEY, read_ave_annotations
from avel.data.manifest import read_manifest, read_provenance
from avel.data.npy_folder import NpyFolder, read_npy
from avel.data.packing import Track, without_bar
from avel.errors import UserError
from avel.files import check_space, whole_file

Features = npt.NDArray[np.float32]

STEM = {1: "visual_feature_vec", 3: "visual_feature"}
"""Axes of a second's visual features -> what the file of all videos is called: vectors and maps have different ones."""
HINT = "Annotations.txt and the order files must lie where the features go; data/README.md says where they come from"


def write_ave_features(
    root: Path,
    features: Path,
    *,
    background: Path | None = None,
    snippets: int = 10,
    force: bool = False,
    track: Track = without_bar,
) -> list[Path]:
    """Write `audio_feature.h5` and `visual_feature.h5`, or of vectors `visual_feature_vec.h5`, as float32.

    Row i holds the first seconds of the video that line i of `Annotations.txt` names; of a video that ends too early,
    the last ones are zero, with a warning. The attribute `provenance` of an array says how its features were made. One
    video at a time is in memory, and the files appear together, when all are written.

    Args:
        root: folder of the data set, where `Annotations.txt` lies.
        features: folder of features with a step per second, see `scripts/extract_features.py`.
        background: the same, of videos without any event: they become `audio_feature_noisy.h5` and
            `visual_feature_noisy.h5`, which weak supervision needs, in the order of their names.
        snippets: T, seconds of a video that are kept.
        force: replace files that are there.
        track: goes through the videos.

    Returns:
        The files that were written.

    Raises:
        UserError: a video has no features, features are damaged or have other steps than those of AVE, or a file is
            there already.
    """
    annotations = read_ave_annotations(root / "Annotations.txt", snippets=snippets, hint=HINT)
    tables = _tables(root, _Extracted(features), annotations.sources)
    if background:
        noisy = _Extracted(background)
        tables += _tables(root, noisy, sorted(noisy.folder.videos()), "_noisy")
    if not force and (present := [table.path for table in tables if table.path.exists()]):
        raise UserError(f"{present[0]}: is there already; --force replaces it")
    with ExitStack() as files:  # all of them appear, or none: they must be of the same features
        for table in tables:
            table.write(files.enter_context(whole_file(table.path)), snippets, track)
    return [table.path for table in tables]


class _Extracted:
    """A folder of features with one file per video and modality, and a step per second."""

    def __init__(self, place: Path) -> None:
        family = read_manifest(place)
        if len(family.visual) != 1 or len(family.audio) != 1 or not math.isclose(family.grid.hop, 1):
            raise UserError(
                f"{place}: must hold one file per video of pictures and one of sound, with a step per second, but has"
                f" {family.patterns()} with a step every {family.grid.hop:g} s: extract with encoder=vgg19_vggish"
            )
        self.folder = NpyFolder(place, family)
        self.provenance = json.dumps(read_provenance(place))

    def files(self, videos: Sequence[str]) -> list[tuple[Path, Path]]:
        """Return the visual and the audio file of each video."""
        if not videos:
            raise UserError(f"{self.folder.place}: holds no features, looked for {self.folder.sought}")
        if missing := sorted(set(self.folder.missing(videos))):
            shown = ", ".join(missing[:3]) + ", …" * (len(missing) > 3)
            raise UserError(
                f"{self.folder.place}: {len(missing)} of {len(set(videos))} videos lack {self.folder.sought}: {shown}."
                " Extract these, without packed=true"
            )
        return [(visual, audio) for visual, audio in map(self.folder.paths, videos)]


@dataclass(frozen=True, slots=True)
class _Table:
    """An HDF5 file that is to be written.

    Attributes:
        path: the file.
        sources: files of features, one per row.
        step: shape of a second's features in the file.
        provenance: how these were made, as JSON.
    """

    path: Path
    sources: Sequence[Path]
    step: tuple[int, ...]
    provenance: str

    def write(self, place: Path, snippets: int, track: Track) -> None:
        """Write one row after the other, to where the file is while it is not complete."""
        wanted, short = step_shape(self.sources[0]), 0
        shape = (len(self.sources), snippets, *self.step)
        check_space(place, math.prod(shape) * np.dtype(np.float32).itemsize)
        with h5py.File(place, "w", locking=False) as file:
            array = file.create_dataset(KEY, shape, np.float32)
            array.attrs["provenance"] = self.provenance
            for row, source in enumerate(track([*map(str, self.sources)], self.path.name)):
                features = read_npy(Path(source), maps=True)
                if features.shape[1:] != wanted:
                    raise UserError(f"{source}: has steps of shape {features.shape[1:]}, {self.sources[0]} {wanted}")
                array[row, : len(features)] = features[:snippets].reshape(-1, *self.step)
                short += len(features) < snippets
        if short:
            what = f"{short} rows are of videos shorter than {snippets} s and zero behind their end"
            warnings.warn(f"{self.path}: {what}", stacklevel=3)


def step_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of a step's features in a file."""
    return read_npy(path, maps=True).shape[1:]


def _tables(root: Path, extracted: _Extracted, videos: Sequence[str], ending: str = "") -> list[_Table]:
    visual, audio = zip(*extracted.files(videos), strict=True)
    seen, heard = step_shape(visual[0]), step_shape(audio[0])
    if ending and len(seen) == 1:
        seen = (1, 1, *seen)  # of background there are only files of maps
    return [
        _Table(root / f"{STEM[len(seen)]}{ending}.h5", visual, seen, extracted.provenance),
        _Table(root / f"audio_feature{ending}.h5", audio, heard, extracted.provenance),
    ]
