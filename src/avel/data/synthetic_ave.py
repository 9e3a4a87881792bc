"""Writes synthetic data sets in the official files of AVE, for the ordinary readers to read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import h5py
import numpy as np
import numpy.typing as npt
from rich.progress import track

from avel.data.ave_annotations import KEY, label_files, read_ave_annotations, read_order
from avel.data.clips import ClipAnnotations
from avel.data.planting_maps import MapPlanter
from avel.data.synthetic_ave_annotations import (
    SNIPPETS,
    SPLITS,
    choose_clips,
    draw_clips,
    draw_matching_orders,
    draw_orders,
    to_lines,
)
from avel.data.synthetic_folder import claim, write
from avel.errors import UserError, check_choice
from avel.files import whole_file

FORMAT = 1
"""Changes whenever the same options give other files."""

DEFAULT_VIDEOS, DEFAULT_CLASSES = 300, 8
"""Without an annotation file."""

BACKGROUND_SHARE = 178 / 4143
"""Background-only videos for each video of AVE."""

BLOCK_BYTES = 2**25
"""How much of a file is made before it is written, about."""

Dtype = Literal["float32", "float64"]

DRAWN = {"_order.h5": draw_orders, "_order_match.h5": draw_matching_orders}
"""What files of splits end with -> how these are drawn."""


@dataclass(frozen=True, slots=True)
class SyntheticAVEOptions:
    """What to make up; equal options give equal files.

    Attributes:
        videos: number of videos; None means 300, or all of the annotation file.
        classes: number of classes; None means 8, or all of the annotation file.
        background_videos: number of videos without any event; None means 178 for 4,143 videos.
        visual_dim: channels of the visual features.
        audio_dim: channels of the audio features.
        difficulty: 0 (clear) to 1 (hard), see `planting_maps`.
        annotations: real `Annotations.txt` to plant features under; None draws annotations. If neither `videos` nor
            `classes` is given, order files that lie beside it are used as they are.
        dtype: of the feature files; those of AVE are float64.
        seed: of everything.

    Raises:
        UserError: a value is out of range.
    """

    videos: int | None = None
    classes: int | None = None
    background_videos: int | None = None
    visual_dim: int = 32
    audio_dim: int = 16
    difficulty: float = 0.3
    annotations: Path | None = None
    dtype: Dtype = "float64"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("dtype", self.dtype, get_args(Dtype))
        if not 0 <= self.difficulty <= 1:
            raise UserError(f"difficulty={self.difficulty}: must be within 0..1")
        if min(self.visual_dim, self.audio_dim) < 1 or self.seed < 0:
            raise UserError("visual_dim and audio_dim must be at least 1, seed at least 0")
        if self.background_videos is not None and self.background_videos < 1:
            raise UserError(f"background_videos={self.background_videos}: must be at least 1")

    @property
    def takes_subset(self) -> bool:
        """Whether some of the annotation file is left out."""
        return self.videos is not None or self.classes is not None

    def manifest(self) -> dict[str, Any]:
        """Return what decides the written files, as plain values."""
        values = asdict(self) | {"format": FORMAT}
        if self.annotations is not None:
            orders = [path for ending in DRAWN for path in self.order_files(ending).values() if path.exists()]
            files = [self.annotations, *orders]
            values["annotations"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        return values

    def order_files(self, ending: str) -> dict[str, Path]:
        """Return split -> file beside the annotation file that may say its rows; nothing if these are drawn anyway."""
        if self.annotations is None or self.takes_subset:
            return {}
        return {split: self.annotations.with_name(f"{split}{ending}") for split in SPLITS}


class _Table(NamedTuple):
    """An array that is made row by row."""

    rows: range
    make: Callable[[int], npt.NDArray[Any]]
    dtype: npt.DTypeLike
    key: str = KEY


def write_ave(root: Path, options: SyntheticAVEOptions, *, workers: int = 1, force: bool = False) -> list[Path]:
    """Write a data set in the files of AVE, and `synthetic.json`, which says how they were made.

    `places.h5` (key `places`, (V, T, 7, 7) uint8) is not AVE's: 1 where the object that sounds is, in event snippets.
    Each file appears whole or not at all; equal options write only what is missing. Some videos at a time are in
    memory.

    Args:
        root: folder of the data set, created if needed.
        options: what to make up.
        workers: threads; they change nothing but the time.
        force: replace a synthetic data set that was made with other options.

    Returns:
        The files that were written.

    Raises:
        UserError: the options ask for something impossible, or `root` holds other data. A folder that was not
            made up is never touched, whatever `force` says; in one that was, all files of AVE are replaced.
    """
    annotations = _annotations(options)
    background = options.background_videos or max(1, round(BACKGROUND_SHARE * len(annotations)))
    tables = {
        **_orders(annotations, options),
        **{name: _stored(array) for name, array in label_files(annotations, background).items()},
        **_features(annotations, background, options),
    }
    path = root / "Annotations.txt"
    claim(root, options.manifest(), data=(path.name, "*.h5"), stale=(path.name, *tables), force=force)
    written = []
    if not path.exists():
        write(path, "".join(f"{line}\n" for line in to_lines(annotations)).encode())
        written.append(path)
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for name, table in tables.items():
            if not (root / name).exists():
                _write_table(root / name, table, pool)
                written.append(root / name)
    return written


def _annotations(options: SyntheticAVEOptions) -> ClipAnnotations:
    if options.annotations is None:
        videos = DEFAULT_VIDEOS if options.videos is None else options.videos
        classes = DEFAULT_CLASSES if options.classes is None else options.classes
        return draw_clips(videos=videos, classes=classes, seed=options.seed)
    annotations = read_ave_annotations(options.annotations, snippets=SNIPPETS)
    if annotations.background < 2:
        raise UserError(f"{options.annotations}: has one class only: what is seen but silent must be of another")
    if options.takes_subset:
        return choose_clips(annotations, videos=options.videos, classes=options.classes, seed=options.seed)
    return annotations


def _orders(annotations: ClipAnnotations, options: SyntheticAVEOptions) -> dict[str, _Table]:
    tables: dict[str, _Table] = {}
    for ending, draw in DRAWN.items():
        files = options.order_files(ending)
        missing = [path.name for path in files.values() if not path.exists()]
        if len(missing) < len(files):
            if missing:
                raise UserError(f"{options.annotations}: some order files lie beside it, but not {', '.join(missing)}")
            orders = {split: read_order(path, len(annotations)) for split, path in files.items()}
        else:
            orders = draw(annotations, options.seed)
        tables |= {f"{split}{ending}": _stored(rows, key="order") for split, rows in orders.items()}
    return tables


def _features(annotations: ClipAnnotations, background: int, options: SyntheticAVEOptions) -> dict[str, _Table]:
    planter = MapPlanter(
        annotations=annotations.with_background(background),
        visual_dim=options.visual_dim,
        audio_dim=options.audio_dim,
        difficulty=options.difficulty,
        seed=options.seed,
    )
    videos = range(len(annotations))
    noisy = range(len(annotations), len(planter.annotations))
    return {
        "places.h5": _Table(videos, planter.place, np.uint8, key="places"),
        "audio_feature.h5": _Table(videos, planter.audio, options.dtype),
        "audio_feature_noisy.h5": _Table(noisy, planter.audio, options.dtype),
        "visual_feature_vec.h5": _Table(videos, lambda row: planter.visual(row).mean(axis=(1, 2)), options.dtype),
        "visual_feature_noisy.h5": _Table(noisy, planter.visual, options.dtype),
        "visual_feature.h5": _Table(videos, planter.visual, options.dtype),
    }


def _stored(array: npt.NDArray[Any], *, key: str = KEY) -> _Table:
    return _Table(range(len(array)), array.__getitem__, array.dtype, key)


def _write_table(path: Path, table: _Table, pool: Executor) -> None:
    first = np.asarray(table.make(table.rows[0]), dtype=table.dtype)
    step = max(1, BLOCK_BYTES // first.nbytes)
    with whole_file(path) as temporary, h5py.File(temporary, "w", locking=False) as file:
        array = file.create_dataset(table.key, shape=(len(table.rows), *first.shape), dtype=table.dtype)
        starts = range(0, len(table.rows), step)
        for start in track(starts, description=path.name, disable=len(starts) == 1):
            block = [*pool.map(table.make, table.rows[start : start + step])]
            array[start : start + step] = np.stack(block)
