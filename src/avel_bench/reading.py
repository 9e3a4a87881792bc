"""Group features: how many videos are read per second, from a file per video and modality and packed into one file."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avel.data.features import FeatureFolder
from avel.data.manifest import read_manifest
from avel.data.pack_folder import pack_folder
from avel.data.packing import DTYPES
from avel_bench.disk import forget, mebibytes, temporary_folder, videos_that_fit
from avel_bench.rows import Goal, Row, ratio
from avel_bench.screen import Screen
from avel_bench.settings import Settings

BATCH = 16
LENGTHS = {"full": (60, 240), "narrow": (4, 8)}
"""Snippets of a video."""
VIDEOS = {"full": 400, "narrow": 8}
"""0.7 GB of one_peace, and twice that packed."""
MANIFEST = {"visual": ["_v.npy"], "audio": ["_a.npy"], "fps": 16, "stride": 4, "window": 16}
NPY = "npy"
GOALS = {"cold": Goal(5, at_most=False), "warm": Goal(2, at_most=False)}
"""Times the videos per second of npy files."""
SPACE = {"float16": Goal(0.51)}
"""Share of the space of npy files: half of it, and what a packed file says of its videos."""


class Widths(NamedTuple):
    """Channels of the features of a video."""

    visual: int
    audio: int


FAMILIES = {"one_peace": Widths(1536, 1536), "i3d_vggish": Widths(2048, 128), "spectral": Widths(96, 96)}
"""Those of UnAV-100, and narrow ones of encoders without weights."""


def feature_rows(settings: Settings, screen: Screen) -> Iterator[Row]:
    """Measure every kind of features in every kind of file."""
    for family, widths in FAMILIES.items():
        with temporary_folder(settings) as root:
            screen.doing(f"{family}, writing")
            places = write_features(root, widths, settings)
            yield from _compare(family, places, settings, screen)


def write_features(root: Path, widths: Widths, settings: Settings) -> dict[str, Path]:
    """Write random features and pack them; returns kind of file -> where it is."""
    shortest, longest = LENGTHS[settings.size]
    each = 3 * longest * sum(widths) * 4  # npy, float32 and float16 beside each other, rounded up
    videos = videos_that_fit(root, settings, default=VIDEOS[settings.size], each=each)
    random = np.random.default_rng(0)
    places = {NPY: root / NPY} | {dtype: root / f"{dtype}.h5" for dtype in DTYPES}
    places[NPY].mkdir()
    (places[NPY] / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
    for number, length in enumerate(random.integers(shortest, longest, videos)):
        for ending, width in zip(("_v", "_a"), widths, strict=True):
            np.save(places[NPY] / f"{number:05d}{ending}.npy", random.standard_normal((length, width), np.float32))
    for dtype in DTYPES:
        pack_folder(places[NPY], places[dtype], dtype=dtype)
    return places


def _compare(family: str, places: Mapping[str, Path], settings: Settings, screen: Screen) -> Iterator[Row]:
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    for repeat in range(1, settings.repeats + 1):
        for files, place in places.items():
            screen.doing(f"{family}, {files}, {repeat} of {settings.repeats}")
            for state, rate in reading_rates(place).items():
                samples[state, files].append(rate)
    rows = {key: Row(f"{family}, {key[1]}, {key[0]}", "videos/s", taken) for key, taken in samples.items()}
    sizes = {files: Row(f"{family}, {files}, disk", "MiB", [mebibytes(place)]) for files, place in places.items()}
    yield from rows.values()
    yield from sizes.values()
    for files in DTYPES:
        for state, goal in GOALS.items():
            yield ratio(f"{family}, {files} / npy, {state}", rows[state, files], rows[state, NPY], goal)
        yield ratio(f"{family}, {files} / npy, disk", sizes[files], sizes[NPY], SPACE.get(files))


def reading_rates(place: Path) -> dict[str, float]:
    """Return the videos per second, in random order: from the disk, and from memory as later epochs read."""
    features = FeatureFolder(place, read_manifest(place))
    videos = sorted(features.videos())
    np.random.default_rng(1).shuffle(videos)
    features.load(videos[0])
    forget(place)
    cold = _read_all(features, videos)
    _read_all(features, videos)
    return {"cold": cold, "warm": _read_all(features, videos)}


def _read_all(features: FeatureFolder, videos: list[str]) -> float:
    """Read all videos, batch by batch as training does; return how many per second."""
    start = time.perf_counter()
    for first in range(0, len(videos), BATCH):
        batch = videos[first : first + BATCH]
        features.expect(batch)
        for video in batch:
            features.load(video)
    return len(videos) / (time.perf_counter() - start)
