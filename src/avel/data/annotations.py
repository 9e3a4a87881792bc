"""Reads and checks annotation files in the layout of ActivityNet, which UnAV-100 and its relatives share.

The layout, with times in seconds:

    {"database": {video: {"subset", "duration",
                          "annotations": [{"segment": [start, end], "label", "label_id"}]}}}

This is the only place where annotations are checked: whoever gets a `VideoAnnotation` can rely on finite
events of positive length inside their video and on class ids without conflicts.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from avel.errors import UserError

SUBSETS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
"""What a file may call a split (in any case) -> what we call it."""

TOLERANCE = 0.5
"""Seconds that an event may reach beyond its video: it is clipped; further out is an error."""

LONGEST = 1e9
"""Seconds; no time in a video reaches it, and neither NaN nor infinity is below it."""

Names = dict[int, tuple[str, str]]  # label id -> class name and the first video that has it
Notes = defaultdict[str, list[str]]  # what was mended -> the videos that it happened to


@dataclass(frozen=True, slots=True, eq=False)
class VideoAnnotation:
    """One video and its events.

    Attributes:
        video: the video's id.
        split: train, validation or test.
        duration: length of the video in seconds.
        segments: events as (start, end) in seconds within [0, duration], (N, 2) float64, in the file's order.
        labels: class ids, (N,) int64.
    """

    video: str
    split: str
    duration: float
    # numpy, not torch: each tensor would need a file descriptor on its way to a spawned worker
    segments: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]


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


def read_annotations(path: Path, *, num_classes: int | None = None) -> Annotations:
    """Read and check an annotation file.

    Mended with a counted warning: events of zero length (dropped), events that reach at most `TOLERANCE`
    seconds beyond their video (clipped), videos without events (kept as negatives).

    Args:
        path: the JSON file.
        num_classes: class ids must be below it and may lack events; None: they must be 0..C-1 without a gap.

    Raises:
        UserError: the file is malformed; the message names the file, the video and the fault.
    """
    database = read_database(path)
    notes: Notes = defaultdict(list)
    names: Names = {}
    videos = []
    for video, entry in database.items():
        try:
            videos.append(_read_video(video, entry, names, notes))
        except ValueError as error:
            raise UserError(f"{path}: video {video!r}: {error}") from None
    for what, where in notes.items():
        warnings.warn(f"{path}: {len(where)} {what}; first in video {where[0]!r}", stacklevel=2)
    return Annotations(tuple(videos), _class_names(path, names, num_classes))


def read_database(path: Path) -> dict[str, Any]:
    """Parse an annotation file without looking at its videos: video id -> entry.

    Raises:
        UserError: the file is missing, is not JSON, has an id twice or has no "database".
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique_keys)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not a valid annotation file: {error}") from None
    database = document.get("database") if isinstance(document, dict) else None
    if not isinstance(database, dict) or not database:
        raise UserError(f'{path}: needs a non-empty object "database" with one entry per video')
    return database


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} appears twice")
    return table


def _read_video(video: str, entry: Any, names: Names, notes: Notes) -> VideoAnnotation:
    if video in {"", ".", ".."} or any(character in video for character in "/\\\0"):
        raise ValueError("the id must be a plain name: it becomes part of file names")
    subset = str(_get(entry, "subset"))
    if subset.lower() not in SUBSETS:
        raise ValueError(f"unknown subset {subset!r}; known: {', '.join(SUBSETS)}")
    duration = _number(_get(entry, "duration"), "duration")
    if duration <= 0:
        raise ValueError(f"duration {duration:g} s must be positive")
    rows = _get(entry, "annotations")
    if not isinstance(rows, list):
        raise ValueError('"annotations" must be a list')
    labels = [_read_label(row, video, names) for row in rows]
    spans = [_read_segment(row, duration, video, notes) for row in rows]
    events = [(span, label) for span, label in zip(spans, labels, strict=True) if span is not None]
    if not events:
        notes["videos without events kept as negatives"].append(video)
    return VideoAnnotation(
        video=video,
        split=SUBSETS[subset.lower()],
        duration=duration,
        segments=np.array([span for span, _ in events], dtype=np.float64).reshape(-1, 2),
        labels=np.array([label for _, label in events], dtype=np.int64),
    )


def _read_label(row: Any, video: str, names: Names) -> int:
    label, name = _get(row, "label_id"), _get(row, "label")
    if not isinstance(label, int) or isinstance(label, bool) or label < 0:
        raise ValueError(f"unknown label_id {label!r}: must be an integer from 0")
    if not isinstance(name, str):
        raise ValueError(f"label {name!r} must be a string")
    known, first = names.setdefault(label, (name, video))
    if known != name:
        raise ValueError(f"label_id {label} is {name!r} here and {known!r} in video {first!r}")
    return label


def _read_segment(row: Any, duration: float, video: str, notes: Notes) -> tuple[float, float] | None:
    segment = _get(row, "segment")
    if not isinstance(segment, list) or len(segment) != 2:
        raise ValueError(f"segment {segment!r} must be [start, end] in seconds")
    start, end = (_number(value, "segment") for value in segment)
    if start == end:
        notes["events of zero length dropped"].append(video)
        return None
    if start > end:
        raise ValueError(f"event [{start:g}, {end:g}] s ends before it starts")
    clipped = max(start, 0.0), min(end, duration)
    if clipped[0] >= clipped[1] or start < -TOLERANCE or end > duration + TOLERANCE:
        raise ValueError(f"event [{start:g}, {end:g}] s lies outside the video of {duration:g} s")
    if clipped != (start, end):
        notes["events clipped to the length of their video"].append(video)
    return clipped


def _get(entry: Any, key: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise ValueError(f"the key {key!r} is missing")
    return entry[key]


def _number(value: Any, name: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LONGEST:
        return float(value)
    raise ValueError(f"{name} {value!r} must be a finite number of seconds")


def _class_names(path: Path, first_seen: Names, num_classes: int | None) -> tuple[str, ...]:
    names = {label: name for label, (name, _) in first_seen.items()}
    if len(set(names.values())) < len(names):
        name, count = Counter(names.values()).most_common(1)[0]
        ids = sorted(label for label in names if names[label] == name)
        raise UserError(f"{path}: the class {name!r} has {count} label ids, {ids}")
    if not names:
        raise UserError(f"{path}: has no events")
    if num_classes is not None and max(names) >= num_classes:
        raise UserError(
            f"{path}: video {first_seen[max(names)][1]!r}: unknown label_id {max(names)} ({names[max(names)]!r}),"
            f" data.num_classes is {num_classes}: set that to null to take it from the file"
        )
    if num_classes is None and max(names) >= len(names):
        gap = next(label for label in range(len(names)) if label not in names)
        raise UserError(
            f"{path}: video {first_seen[max(names)][1]!r} has label_id {max(names)} ({names[max(names)]!r}),"
            f" but no event has {gap}: correct it, re-number the classes 0..{len(names) - 1},"
            " or set data.num_classes if classes may lack events"
        )
    return tuple(names.get(label, f"class {label}") for label in range(num_classes or len(names)))
