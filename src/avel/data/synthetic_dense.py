"""Writes synthetic ActivityNet-1.3, DESED and THUMOS14 in their official files, for the ordinary readers to read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avel.data import synthetic_files, synthetic_statistics
from avel.data.activitynet13 import ActivityNet13
from avel.data.annotations import Annotations
from avel.data.dense_module import DenseDataModule
from avel.data.desed import DESED
from avel.data.planting import Planter, Shown
from avel.data.synthetic_annotations import choose_subset, draw_database
from avel.data.synthetic_features import write_features
from avel.data.synthetic_files import Database
from avel.data.synthetic_folder import claim, write
from avel.data.synthetic_prompts import write_random_prompts
from avel.data.synthetic_statistics import Statistics
from avel.data.thumos14 import Thumos14
from avel.errors import UserError, check_choice

FORMAT = 2
"""Changes whenever the same options give other files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseFormat:
    """How a data set is made up.

    Attributes:
        reader: reads it.
        statistics: what its annotations are like.
        shown: what its events are, "seen" or "heard".
        videos: how many are drawn by default.
        classes: the same for classes.
        name: gives drawn videos the names and facts that the data set has.
        files: gives the official annotation files, path -> text.
        prompts: where its prompts lie, None if none were published.
        prompt_rows: gives the order of their rows, from the names of the classes by id.
    """

    reader: type[DenseDataModule]
    statistics: Statistics
    shown: Shown
    videos: int
    classes: int
    name: Callable[[Database], Database]
    files: Callable[[Database], dict[str, str]]
    prompts: str | None = None
    prompt_rows: Callable[[Sequence[str]], Iterable[str]] = tuple


@dataclass(frozen=True, slots=True)
class SyntheticDenseOptions:
    """What to make up; equal options give equal files.

    Attributes:
        videos: number of videos; None means the default of the data set, or all of the annotations.
        classes: the same for classes.
        visual_dim: channels of the visual features.
        audio_dim: channels of the audio features, if there are any.
        features: family of feature files; None means the first.
        difficulty: 0 (clear) to 1 (hard).
        annotations: folder of a real data set to plant features under its annotations; None draws annotations.
        seed: of everything.

    Raises:
        UserError: a value is out of range.
    """

    videos: int | None = None
    classes: int | None = None
    visual_dim: int = 64
    audio_dim: int = 64
    features: str | None = None
    difficulty: float = 0.5
    annotations: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.difficulty <= 1:
            raise UserError(f"difficulty={self.difficulty}: must be within 0..1")
        if min(self.visual_dim, self.audio_dim) < 1 or self.seed < 0:
            raise UserError("visual_dim and audio_dim must be at least 1, seed at least 0")


def write_dense(
    root: Path, dataset: str, options: SyntheticDenseOptions, *, workers: int = 1, force: bool = False
) -> list[Path]:
    """Write a data set in its official files, and `synthetic.json`, which says how they were made.

    Each file appears whole or not at all; equal options write only what is missing.

    Args:
        root: folder of the data set, created if needed.
        dataset: one of `FORMATS`.
        options: what to make up.
        workers: threads; they change nothing but the time.
        force: replace a synthetic data set that was made with other options.

    Returns:
        The feature files that were written.

    Raises:
        UserError: the options ask for something impossible, or `root` holds other data. A folder that was not
            made up is never touched, whatever `force` says; in one that was, all feature files are replaced.
    """
    data_format = FORMATS[dataset]
    families = data_format.reader.families
    features = options.features or next(iter(families))
    check_choice("features", features, families)
    database = _database(data_format, options)
    files = data_format.files(database)
    folders = {family.folder for family in families.values()}
    claim(
        root,
        _manifest(options, features, database),
        data=[*folders, "prompts", *{Path(name).parts[0] for name in files}],
        stale=[f"{folder}/*.npy" for folder in sorted(folders)],
        force=force,
    )
    for name, text in files.items():
        write(root / name, text.encode())
    annotations = data_format.reader(root=root, features=features, selection_split="test").annotations
    if data_format.prompts:
        write_random_prompts(root / data_format.prompts, data_format.prompt_rows(annotations.class_names))
    planter = Planter(
        class_names=annotations.class_names,
        visual_dim=options.visual_dim,
        audio_dim=options.audio_dim,
        grid=families[features].grid,
        difficulty=options.difficulty,
        seed=options.seed,
        shown=data_format.shown,
    )
    return write_features(root, families[features], planter, annotations.videos, workers=workers)


def as_database(annotations: Annotations) -> Database:
    """Return checked annotations in the layout that they are read from."""
    return {
        video.video: {
            "subset": video.split,
            "duration": video.duration,
            "annotations": [
                {"segment": segment, "label": annotations.class_names[label], "label_id": label}
                for segment, label in zip(video.segments.tolist(), video.labels.tolist(), strict=True)
            ],
        }
        | ({} if video.fps is None else {"fps": video.fps})
        for video in annotations.videos
    }


def _database(data_format: DenseFormat, options: SyntheticDenseOptions) -> Database:
    if options.annotations is None:
        drawn = draw_database(
            videos=data_format.videos if options.videos is None else options.videos,
            classes=data_format.classes if options.classes is None else options.classes,
            seed=options.seed,
            statistics=data_format.statistics,
        )
        return data_format.name(drawn)
    real = data_format.reader(root=options.annotations, selection_split="test").annotations
    return choose_subset(as_database(real), videos=options.videos, classes=options.classes, seed=options.seed)


def _manifest(options: SyntheticDenseOptions, features: str, database: Database) -> dict[str, Any]:
    """Return what decides the written files, as plain values."""
    values = asdict(options) | {"format": FORMAT, "features": features}
    if options.annotations is not None:
        values["annotations"] = hashlib.sha256(json.dumps(database).encode()).hexdigest()
    return values


FORMATS = {
    "activitynet13": DenseFormat(
        reader=ActivityNet13,
        statistics=synthetic_statistics.ACTIVITYNET13,
        shown="seen",
        videos=400,
        classes=20,
        name=dict,
        files=synthetic_files.activitynet13_files,
        prompts="prompts/anet_prompt.npy",
    ),
    "desed": DenseFormat(
        reader=DESED,
        statistics=synthetic_statistics.DESED,
        shown="heard",
        videos=600,
        classes=10,
        name=synthetic_files.name_clips,
        files=synthetic_files.desed_files,
        prompts="prompts/dcase_prompt.npy",
        prompt_rows=reversed,  # those of the published file are in another order than the classes, too
    ),
    "thumos14": DenseFormat(
        reader=Thumos14,
        statistics=synthetic_statistics.THUMOS14,
        shown="seen",
        videos=120,
        classes=10,
        name=synthetic_files.give_frame_rates,
        files=synthetic_files.thumos14_files,
    ),
}
"""Data set -> how it is made up."""
