"""Renders small videos in which classes are seen and heard, with annotations: real files to extract features from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

from rich.progress import track

from avel.data.annotations import VideoAnnotation, check_annotations, read_annotations
from avel.data.one_sided import SIDES
from avel.data.synthetic_annotations import Entry, draw_database
from avel.data.synthetic_classes import CLASSES
from avel.data.synthetic_folder import claim, write
from avel.data.synthetic_mp4 import write_mp4
from avel.data.synthetic_scenes import Scene, draw_scene
from avel.data.synthetic_statistics import CLIPS
from avel.data.workers import ctrl_c_held
from avel.errors import UserError

Clip = tuple[Path, VideoAnnotation]
"""Where to write it, and what happens in it."""

FORMAT = 2
"""Changes whenever the same options give other files."""


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What to render; equal options give equal events.

    Attributes:
        videos: number of files.
        classes: number of classes.
        difficulty: 0 (clear, nothing that is only seen or only heard) to 1 (hard).
        seed: of everything.

    Raises:
        UserError: a value is out of range.
    """

    videos: int = 120
    classes: int = 8
    difficulty: float = 0.4
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.difficulty <= 1:
            raise UserError(f"difficulty={self.difficulty}: must be within 0..1")
        if self.classes > len(CLASSES):
            raise UserError(f"classes={self.classes}: there are only {len(CLASSES)} that differ enough")
        if self.seed < 0:
            raise UserError(f"seed={self.seed}: must be at least 0")


def write_clips(root: Path, options: ClipOptions, *, workers: int = 1, force: bool = False) -> list[Path]:
    """Write `annotations.json` (in the layout of UnAV-100), `videos/*.mp4` and `synthetic.json`, which says how.

    Annotations also tell what is only heard and only seen, see `avel.data.one_sided`.

    Each file appears whole or not at all; equal options write only what is missing.

    Args:
        root: folder, created if needed.
        options: what to render.
        workers: processes; they change nothing but the time.
        force: replace clips that were rendered with other options.

    Returns:
        The videos that were written.

    Raises:
        UserError: the options ask for something impossible, or `root` holds other data, see `claim`.
    """
    path = root / "annotations.json"
    database = _database(options, path)
    manifest = asdict(options) | {"format": FORMAT, "kind": "clips"}
    claim(root, manifest, data=("annotations.json", "videos"), stale=("videos/*.mp4",), force=force)
    write(path, json.dumps({"version": "synthetic clips", "database": database}).encode())
    videos = read_annotations(path).videos
    clips = [(root / "videos" / f"{video.video}.mp4", video) for video in videos]
    missing = [(path, video) for path, video in clips if not path.exists()]
    _run(partial(_render, options), missing, workers)
    return [path for path, _ in missing]


def _database(options: ClipOptions, path: Path) -> dict[str, Entry]:
    database = draw_database(videos=options.videos, classes=options.classes, seed=options.seed, statistics=CLIPS)
    for entry in database.values():
        for row in entry["annotations"]:
            row["label"] = CLASSES[row["label_id"]].name
    for video in check_annotations(database, path).videos:
        database[video.video] |= _one_sided(_scene(options, video))
    return database


def _one_sided(scene: Scene) -> Entry:
    """Return what is only heard and only seen, see `avel.data.one_sided`."""
    both = set(scene.seen) & set(scene.heard)
    return {
        f"only_{side}": [
            {"segment": [round(span.start, 3), round(span.end, 3)], "label": CLASSES[span.label].name}
            for span in sorted(set(spans) - both, key=lambda span: span.start)
        ]
        for side, spans in zip(SIDES, (scene.heard, scene.seen), strict=True)
    }


def _scene(options: ClipOptions, annotation: VideoAnnotation) -> Scene:
    return draw_scene(annotation, classes=options.classes, difficulty=options.difficulty, seed=options.seed)


def _run(render: Callable[[Clip], None], clips: Sequence[Clip], workers: int) -> None:
    # fresh interpreters, because a copy of one with threads may lock up
    with ProcessPoolExecutor(max(workers, 1), get_context("spawn"), _end_with_parent) as pool:
        with ctrl_c_held():  # or the workers, which start here, would hear it, too
            rendered = pool.map(render, clips) if workers > 1 else map(render, clips)
        for _ in track(rendered, "Rendering clips", total=len(clips)):
            pass


def _end_with_parent() -> None:
    """Let a worker not wait for tasks forever, or render beside the next run, when its parent is killed."""
    Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _render(options: ClipOptions, clip: Clip) -> None:
    path, annotation = clip
    scene = _scene(options, annotation)
    write_mp4(path, scene.pictures(), scene.fps, scene.sound(), scene.rate)
