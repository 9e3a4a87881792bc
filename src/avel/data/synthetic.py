"""Writes synthetic data sets in the official on-disk formats, for the ordinary readers to read."""

from __future__ import annotations

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

from avel.data.annotations import VideoAnnotation, read_annotations, read_database
from avel.data.features import FAMILIES
from avel.data.planting import Planter
from avel.data.synthetic_annotations import choose_subset, draw_database
from avel.errors import UserError
from avel.files import whole_file

FORMAT = 1
"""Changes whenever the same options give other files."""

DEFAULT_VIDEOS, DEFAULT_CLASSES = 500, 20
"""Without an annotation file."""


@dataclass(frozen=True, slots=True)
class SyntheticOptions:
    """What to make up; equal options give equal files.

    Attributes:
        videos: number of videos; None means 500, or all of the annotation file.
        classes: number of classes; None means 20, or all of the annotation file.
        visual_dim: channels of the visual features.
        audio_dim: channels of the audio features.
        features: family of feature files.
        difficulty: 0 (clear) to 1 (hard).
        annotations: real annotation file to plant features under; None draws annotations.
        seed: of everything.

    Raises:
        UserError: a value is out of range.
    """

    videos: int | None = None
    classes: int | None = None
    visual_dim: int = 64
    audio_dim: int = 64
    features: str = "one_peace"
    difficulty: float = 0.5
    annotations: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.features not in FAMILIES:
            raise UserError(f"features={self.features}: unknown, choose one of {', '.join(FAMILIES)}")
        if not 0 <= self.difficulty <= 1:
            raise UserError(f"difficulty={self.difficulty}: must be within 0..1")
        narrowest = len(FAMILIES[self.features].visual)
        if self.visual_dim < narrowest or self.audio_dim < 1 or self.seed < 0:
            raise UserError(f"visual_dim must be at least {narrowest}, audio_dim at least 1, seed at least 0")

    def manifest(self) -> dict[str, Any]:
        """Return what decides the written files, as plain values."""
        values = asdict(self) | {"format": FORMAT}
        if self.annotations is not None:
            values["annotations"] = hashlib.sha256(self.annotations.read_bytes()).hexdigest()
        return values


def write_unav100(root: Path, options: SyntheticOptions, *, workers: int = 1, force: bool = False) -> list[Path]:
    """Write a data set in the layout of UnAV-100.

    Writes `annotations/unav100_annotations.json`, `av_features/*.npy` and `synthetic.json`, which says how
    they were made. Each file appears whole or not at all; equal options write only what is missing.

    Args:
        root: folder of the data set, created if needed.
        options: what to make up.
        workers: threads; they change nothing but the time.
        force: replace a synthetic data set that was made with other options.

    Returns:
        The feature files that were written.

    Raises:
        UserError: the options ask for something impossible, or `root` holds other data. A folder that was not
            made up is never touched, whatever `force` says; in one that was, all feature files are replaced.
    """
    database = _database(options)
    _claim(root, options.manifest(), force=force)
    path = root / "annotations" / "unav100_annotations.json"
    _write(path, json.dumps({"version": "unav100", "database": database}).encode())
    annotations = read_annotations(path)
    planter = Planter(
        class_names=annotations.class_names,
        visual_dim=options.visual_dim,
        audio_dim=options.audio_dim,
        grid=FAMILIES[options.features].grid,
        difficulty=options.difficulty,
        seed=options.seed,
    )
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        write = partial(_write_video, root, options.features, planter)
        jobs = pool.map(write, annotations.videos)
        written = [*track(jobs, description="Planting events", total=len(annotations.videos))]
    return [path for paths in written for path in paths]


def _database(options: SyntheticOptions) -> dict[str, Any]:
    if options.annotations is None:
        videos = DEFAULT_VIDEOS if options.videos is None else options.videos
        classes = DEFAULT_CLASSES if options.classes is None else options.classes
        return draw_database(videos=videos, classes=classes, seed=options.seed)
    read_annotations(options.annotations)  # refuses a file that cannot be read back later
    database = read_database(options.annotations)
    return choose_subset(database, videos=options.videos, classes=options.classes, seed=options.seed)


def _claim(root: Path, manifest: dict[str, Any], *, force: bool) -> None:
    """Make `root` the synthetic data set of this manifest, or refuse."""
    path = root / "synthetic.json"
    if not path.exists():
        if (root / "av_features").exists() or (root / "annotations").exists():
            raise UserError(f"{root}: holds data that was not made up: choose another folder")
    elif path.read_text(encoding="utf-8") != _encode(manifest):
        if not force:
            raise UserError(f"{root}: was made up with other options: choose another folder, or --force")
        # until all old files are gone the manifest equals no options, or a killed run would look complete
        _write(path, b"{}")
        for file in (root / "av_features").glob("*.npy"):
            file.unlink()
    _write(path, _encode(manifest).encode())


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def _encode(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=2)


def _write_video(root: Path, features: str, planter: Planter, annotation: VideoAnnotation) -> list[Path]:
    family = FAMILIES[features]
    endings = family.visual + family.audio
    paths = [root / "av_features" / f"{annotation.video}{ending}" for ending in endings]
    if all(path.exists() for path in paths):
        return []
    visual, audio = planter.features(annotation)
    parts = [
        *np.array_split(visual, len(family.visual), axis=1),
        *np.array_split(audio, len(family.audio), axis=1),
    ]
    for path, part in zip(paths, parts, strict=True):
        _write(path, _npy(part))
    return paths


def _npy(array: npt.NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array))
    return buffer.getvalue()
