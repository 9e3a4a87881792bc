"""Reads and checks annotation files in the layout of ActivityNet, which UnAV-100 and its relatives share.

The layout, with times in seconds:

    {"database": {video: {"subset", "duration",
                          "annotations": [{"segment": [start, end], "label", "label_id"}]}}}

A file without any `label_id` has its classes numbered in the alphabetical order of their names (capitals first). A
video may say its `fps`, and what is `only_heard` or `only_seen` in it (`avel.data.one_sided`).

This is the only place where annotations are checked: whoever gets a `VideoAnnotation` can rely on finite
events of positive length inside their video (or beyond it, where that was asked for) and on class ids without
conflicts.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from avel.data.event_checks import AnnotationRules, EventChecker, class_numbers, get, number
from avel.data.one_sided import OneSidedSpan, read_one_sided
from avel.data.text_files import read_json
from avel.errors import UserError


@dataclass(frozen=True, slots=True, eq=False)
class VideoAnnotation:
    """One video and its events.

    Attributes:
        video: the video's id.
        split: train, validation or test.
        duration: length of the video in seconds.
        segments: events as (start, end) in seconds within [0, duration] (`AnnotationRules.beyond` may say otherwise),
            (N, 2) float64, in the file's order.
        labels: class ids, (N,) int64.
        fps: frames per second of the video, None where the file does not say.
        one_sided: spans in which something is only heard or only seen.
    """

    video: str
    split: str
    duration: float
    # numpy, not torch: each tensor would need a file descriptor on its way to a spawned worker
    segments: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    fps: float | None = None
    one_sided: tuple[OneSidedSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Annotations:
    """A checked annotation file.

    Attributes:
        videos: all videos in the order of the file.
        class_names: names of the classes 0..C-1, over all splits.
    """

    videos: tuple[VideoAnnotation, ...]
    class_names: tuple[str, ...]

    def split(self, name: str) -> list[VideoAnnotation]:
        """The videos of one split, in the order of the file."""
        return [video for video in self.videos if video.split == name]

    def hold_out(self, share: float, split: str = "validation") -> Annotations:
        """Move a share of the training videos, at least one, to another split; hashes of their ids choose them."""
        ids = sorted((video.video for video in self.split("train")), key=_hash)
        chosen = set(ids[: max(round(share * len(ids)), 1)])
        videos = (replace(video, split=split) if video.video in chosen else video for video in self.videos)
        return replace(self, videos=tuple(videos))


def read_annotations(
    path: Path,
    *,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    rules: AnnotationRules | None = None,
) -> Annotations:
    """Read and check an annotation file, see `check_annotations`."""
    return check_annotations(read_database(path), path, num_classes=num_classes, class_names=class_names, rules=rules)


def check_annotations(
    database: Mapping[str, Any],
    source: Path,
    *,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    rules: AnnotationRules | None = None,
) -> Annotations:
    """Check annotations in the layout above.

    Mended with a counted warning: events of zero length (dropped), events that reach beyond their video by not too
    much (clipped), videos without events (kept as negatives), and whatever else the rules mend.

    Args:
        database: video id -> entry.
        source: where they come from, for messages.
        num_classes: class ids must be below it and may lack events; None: they must be 0..C-1 without a gap.
        class_names: the classes that may occur, in the order of their ids, whatever ids the file gives them; None takes
            those of the file.
        rules: what is made of the annotations.

    Raises:
        UserError: something is malformed; the message names the source, the video and the fault.
    """
    rules = rules or AnnotationRules()
    checker = EventChecker(rules, class_numbers(database, class_names, rules.ignored))
    videos, faults = read_videos(database, checker)
    if faults:
        video, fault = next(iter(faults.items()))
        others = f" (1 of {len(faults)} faulty videos: scripts/check_dataset.py lists them)" if len(faults) > 1 else ""
        raise UserError(f"{source}: video {video!r}: {fault}{others}")
    for what, where in checker.notes.items():
        warnings.warn(f"{source}: {len(where)} {what}; first in video {where[0]!r}", stacklevel=2)
    return Annotations(tuple(videos), checker.class_names(source, num_classes))


def read_videos(database: Mapping[str, Any], checker: EventChecker) -> tuple[list[VideoAnnotation], dict[str, str]]:
    """Read the videos that can be read, without those of subsets that are left out; and video id -> what is wrong."""
    videos, faults = [], {}
    for video, entry in database.items():
        try:
            videos.append(_read_video(video, entry, checker))
        except ValueError as error:
            faults[video] = str(error)
    return [video for video in videos if video is not None], faults


def read_database(path: Path) -> dict[str, Any]:
    """Parse an annotation file without looking at its videos: video id -> entry.

    Raises:
        UserError: the file is missing, is not JSON, has an id twice or has no "database".
    """
    return database_of(read_json(path), path)


def database_of(document: Any, path: Path) -> dict[str, Any]:
    """Return the database that a parsed file holds, or raise a UserError."""
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(database, dict) or not database:
        raise UserError(f'{path}: needs a non-empty object "database" with one entry per video')
    return database


def _read_video(video: str, entry: Any, checker: EventChecker) -> VideoAnnotation | None:
    """Return a video with its events, None if its subset is left out."""
    if video in {"", ".", ".."} or any(character in video for character in "/\\\0"):
        raise ValueError("the id must be a plain name: it becomes part of file names")
    subset, subsets = str(get(entry, "subset")), checker.rules.subsets
    if subset.lower() not in subsets:
        raise ValueError(f"unknown subset {subset!r}; known: {', '.join(subsets)}")
    if (split := subsets[subset.lower()]) is None:
        return None
    duration = number(get(entry, "duration"), "duration")
    if duration <= 0:
        raise ValueError(f"duration {duration:g} s must be positive")
    rows = get(entry, "annotations")
    if not isinstance(rows, list):
        raise ValueError('"annotations" must be a list')
    segments, labels = checker.events(rows, duration, video)
    frame_rate = _frame_rate(entry.get("fps"))
    return VideoAnnotation(video, split, duration, segments, labels, frame_rate, read_one_sided(entry))


def _frame_rate(value: Any) -> float | None:
    if value is None or (isinstance(value, (int, float)) and 0 < value < 1e6):
        return value and float(value)
    raise ValueError(f"fps {value!r} must be a positive number of frames per second")


def _hash(video: str) -> bytes:
    return hashlib.sha256(video.encode(errors="surrogatepass")).digest()
