"""Writes synthetic data sets in the official on-disk formats, for the ordinary readers to read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avel.data.annotations import read_annotations, read_database
from avel.data.families import FAMILIES
from avel.data.planting import Planter
from avel.data.synthetic_annotations import choose_subset, draw_database
from avel.data.synthetic_features import write_features
from avel.data.synthetic_folder import claim, write
from avel.data.synthetic_prompts import write_random_prompts
from avel.errors import UserError, check_choice

FORMAT = 2
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
        check_choice("features", self.features, FAMILIES)
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

    Writes `annotations/unav100_annotations.json`, `av_features/*.npy`, `prompts/unav100_prompt.npy`, whose rows
    `prompts/unav100_prompt.json` names, and `synthetic.json`, which says how they were made. Each file appears whole
    or not at all; equal options write only what is missing.

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
    claim(
        root,
        options.manifest(),
        data=("annotations", "av_features", "prompts"),
        stale=("av_features/*.npy",),
        force=force,
    )
    path = root / "annotations" / "unav100_annotations.json"
    write(path, json.dumps({"version": "unav100", "database": database}).encode())
    annotations = read_annotations(path)
    write_random_prompts(root / "prompts" / "unav100_prompt.npy", annotations.class_names)
    planter = Planter(
        class_names=annotations.class_names,
        visual_dim=options.visual_dim,
        audio_dim=options.audio_dim,
        grid=FAMILIES[options.features].grid,
        difficulty=options.difficulty,
        seed=options.seed,
    )
    return write_features(root, FAMILIES[options.features], planter, annotations.videos, workers=workers)


def _database(options: SyntheticOptions) -> dict[str, Any]:
    if options.annotations is None:
        videos = DEFAULT_VIDEOS if options.videos is None else options.videos
        classes = DEFAULT_CLASSES if options.classes is None else options.classes
        return draw_database(videos=videos, classes=classes, seed=options.seed)
    read_annotations(options.annotations)  # refuses a file that cannot be read back later
    database = read_database(options.annotations)
    return choose_subset(database, videos=options.videos, classes=options.classes, seed=options.seed)
