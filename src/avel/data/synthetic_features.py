"""Writes the feature files of synthetic data sets with untrimmed videos."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from avel.data.annotations import VideoAnnotation
from avel.data.families import FeatureFamily
from avel.data.planting import Planter
from avel.data.synthetic_folder import write


def write_features(
    root: Path, family: FeatureFamily, planter: Planter, videos: Sequence[VideoAnnotation], *, workers: int = 1
) -> list[Path]:
    """Write the feature files of annotated videos that are not there yet; return them.

    Args:
        root: folder of the data set.
        family: which files belong to a video.
        planter: makes the features.
        videos: the annotated videos.
        workers: threads; they change nothing but the time.
    """
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        jobs = pool.map(partial(_write_video, root / family.folder, family, planter), videos)
        written = [*track(jobs, description="Planting events", total=len(videos))]
    return [path for paths in written for path in paths]


def _write_video(folder: Path, family: FeatureFamily, planter: Planter, annotation: VideoAnnotation) -> list[Path]:
    endings = family.visual + family.audio
    paths = [folder / f"{family.prefix}{annotation.video}{ending}" for ending in endings]
    if all(path.exists() for path in paths):
        return []
    visual, audio = replace(planter, grid=family.grid_at(annotation.fps)).features(annotation)
    parts = np.array_split(visual, len(family.visual), axis=1)
    if family.audio:
        parts += np.array_split(audio, len(family.audio), axis=1)
    for path, part in zip(paths, parts, strict=True):
        write(path, _npy(part))
    return paths


def _npy(array: npt.NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array))
    return buffer.getvalue()
