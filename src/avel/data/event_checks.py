"""Checks annotated events: their times within the video, their classes, and what is mended with a counted warning."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from avel.errors import UserError, check_choice

Beyond = Literal["refuse", "clip", "keep"]

SUBSETS: Mapping[str, str | None] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
"""What a file may call a split (in any case) -> what we call it."""

TOLERANCE = 0.5
"""Seconds that an event may reach beyond its video: it is clipped; further out is an error."""

REPEATED = 1e-3
"""Seconds by which both ends of an event differ at most from those of another one that it repeats."""

CELL = 1.5 * REPEATED
"""Seconds; events that repeat each other begin, and end, in the same or in neighbouring cells of this length."""

NEXT = (-1, 0, 1)
"""From a cell to its neighbours."""

MOST = 2**31
"""Class ids are below it: tensors hold no larger numbers everywhere."""

LONGEST = 1e9
"""Seconds; no time in a video reaches it, and neither NaN nor infinity is below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationRules:
    """What is made of the annotations of a data set.

    Attributes:
        subsets: what the file calls its subsets, in lower case -> train, validation or test; None leaves them out.
        beyond: what becomes of events that reach more than `TOLERANCE` seconds beyond their video or end before they
            start. "refuse": an error. "clip": they are clipped to the video, dropped if nothing is left. "keep": all
            that reaches beyond stays as annotated, and what lies outside of the video can only be missed.
        drop_repeated: leave out what repeats an earlier event of its class, up to `REPEATED` seconds at both ends.
        ignored: labels that are no class: their events are left out.

    Raises:
        UserError: an unknown choice.
    """

    subsets: Mapping[str, str | None] = field(default_factory=lambda: SUBSETS)
    beyond: Beyond = "refuse"
    drop_repeated: bool = False
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("data.beyond", self.beyond, get_args(Beyond))


@dataclass
class EventChecker:
    """Checks the events of one video after the other and remembers their classes and what it mended.

    Attributes:
        rules: what is made of the annotations.
        numbers: class name -> class id; None where every event has its `label_id`.
        names: class id -> class name and the first video that has it.
        notes: what was mended -> the videos that it happened to.
    """

    rules: AnnotationRules
    numbers: Mapping[str, int] | None
    names: dict[int, tuple[str, str]] = field(default_factory=dict)
    notes: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def events(
        self, rows: list[Any], duration: float, video: str
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Return the events of a video, (N, 2) in seconds, and their class ids, (N,).

        Raises:
            ValueError: an event is malformed; the message says how.
        """
        labels = [self._label(row, video) for row in rows]
        spans = [self._segment(row, duration, video) for row in rows]
        events = [event for event in zip(spans, labels, strict=True) if None not in event]
        segments = np.array([span for span, _ in events], dtype=np.float64).reshape(-1, 2)
        classes = np.array([label for _, label in events], dtype=np.int64)
        if self.rules.drop_repeated:
            new = first_occurrences(segments, classes)
            self._note("events dropped that repeat another one", video, len(segments) - len(new))
            segments, classes = segments[new], classes[new]
        self._note("videos without events kept as negatives", video, not len(segments))
        return segments, classes

    def class_names(self, source: Path, num_classes: int | None) -> tuple[str, ...]:
        """Return the names of the classes by id, of those with events and, as far as they are known, of the others.

        Raises:
            UserError: there are neither events nor listed classes, there are more classes than `num_classes`, or ids
                without events below others.
        """
        if not self.names and not self.numbers:
            raise UserError(f"{source}: has no events, and data.class_names does not say what to look for")
        if self.numbers is None:
            return _names_by_id(source, self.names, num_classes)
        if num_classes not in (None, len(self.numbers)):
            raise UserError(
                f"{source}: has {len(self.numbers)} classes, data.num_classes is {num_classes}: set that to null, or"
                " list all classes in data.class_names"
            )
        return tuple(self.numbers)

    def _label(self, row: Any, video: str) -> int | None:
        label = get(row, "label_id") if self.numbers is None else None
        name = get(row, "label")
        if not isinstance(name, str):
            raise ValueError(f"label {name!r} must be a string")
        if not name.strip():
            raise ValueError(f"label {name!r} names no class")
        if name in self.rules.ignored:
            self._note(f"events labelled {name!r} left out", video)
            return None
        if self.numbers is not None:
            if name not in self.numbers:
                raise ValueError(f"unknown class {name!r}: data.class_names lists {', '.join(self.numbers)}")
            label = self.numbers[name]
        if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < MOST:
            raise ValueError(f"unknown label_id {label!r}: must be an integer from 0")
        known, first = self.names.setdefault(label, (name, video))
        if known != name:
            raise ValueError(f"label_id {label} is {name!r} here and {known!r} in video {first!r}")
        return label

    def _segment(self, row: Any, duration: float, video: str) -> tuple[float, float] | None:
        segment = get(row, "segment")
        if not isinstance(segment, list) or len(segment) != 2:
            raise ValueError(f"segment {segment!r} must be [start, end] in seconds")
        start, end = (number(value, "segment") for value in segment)
        strict = self.rules.beyond == "refuse"
        if strict and start > end:
            raise ValueError(f"event [{start:g}, {end:g}] s ends before it starts")
        if start >= end:
            self._note(f"events {'of zero length' if start == end else 'that end before they start'} dropped", video)
            return None
        clipped = max(start, 0.0), min(end, duration)
        outside = clipped[0] >= clipped[1]
        if strict and (outside or start < -TOLERANCE or end > duration + TOLERANCE):
            raise ValueError(f"event [{start:g}, {end:g}] s lies outside the video of {duration:g} s")
        if clipped == (start, end):
            return clipped
        if self.rules.beyond == "keep":
            self._note("events beyond the end of their video kept as annotated", video)
            return start, end
        what = "outside of their video dropped" if outside else "clipped to the length of their video"
        self._note(f"events {what}", video)
        return None if outside else clipped

    def _note(self, what: str, video: str, times: int = 1) -> None:
        if times:
            self.notes[what].extend([video] * times)


def class_numbers(
    database: Mapping[str, Any], class_names: Sequence[str] | None, ignored: Sequence[str]
) -> dict[str, int] | None:
    """Number the classes where the file does not.

    Args:
        database: video id -> entry.
        class_names: the classes in the order of their ids, if they are given from outside.
        ignored: labels that are no class.

    Returns:
        Class name -> class id, in the order of `class_names`, else alphabetical; None where events have a `label_id`.
    """
    if class_names is None:
        rows = list(_rows(database))
        if any("label_id" in row for row in rows) or not rows:
            return None
        found = {row["label"] for row in rows if isinstance(row.get("label"), str)}
        class_names = sorted(found.difference(ignored))
    return {name: label for label, name in enumerate(class_names)}


def first_occurrences(segments: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the indices of the events that repeat no earlier kept one, see `REPEATED`, in time linear in them."""
    cells = np.floor(segments / CELL).astype(np.int64).tolist()
    kept: list[int] = []
    kept_in: defaultdict[tuple[int, int, int], list[tuple[float, float]]] = defaultdict(list)
    for event, ((start, end), (row, column), label) in enumerate(
        zip(segments.tolist(), cells, labels.tolist(), strict=True)
    ):
        around = ((label, row + down, column + right) for down in NEXT for right in NEXT)
        near = (span for cell in around for span in kept_in.get(cell, ()))
        if not any(abs(first - start) <= REPEATED and abs(last - end) <= REPEATED for first, last in near):
            kept.append(event)
            kept_in[label, row, column].append((start, end))
    return np.array(kept, dtype=np.int64)


def get(entry: Any, key: str) -> Any:
    """Return what an entry says under a key, or raise a ValueError."""
    if not isinstance(entry, dict) or key not in entry:
        raise ValueError(f"the key {key!r} is missing")
    return entry[key]


def number(value: Any, name: str) -> float:
    """Return a finite number of seconds, or raise a ValueError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LONGEST:
        return float(value)
    raise ValueError(f"{name} {value!r} must be a finite number of seconds")


def _rows(database: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in database.values():
        rows = entry.get("annotations") if isinstance(entry, dict) else None
        yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _names_by_id(source: Path, first_seen: dict[int, tuple[str, str]], num_classes: int | None) -> tuple[str, ...]:
    names = {label: name for label, (name, _) in first_seen.items()}
    if len(set(names.values())) < len(names):
        name, count = Counter(names.values()).most_common(1)[0]
        ids = sorted(label for label in names if names[label] == name)
        raise UserError(f"{source}: the class {name!r} has {count} label ids, {ids}")
    if num_classes is not None and max(names) >= num_classes:
        raise UserError(
            f"{source}: video {first_seen[max(names)][1]!r}: unknown label_id {max(names)} ({names[max(names)]!r}),"
            f" data.num_classes is {num_classes}: set that to null to take it from the file"
        )
    if num_classes is None and max(names) >= len(names):
        gap = next(label for label in range(len(names)) if label not in names)
        raise UserError(
            f"{source}: video {first_seen[max(names)][1]!r} has label_id {max(names)} ({names[max(names)]!r}),"
            f" but no event has {gap}: correct it, re-number the classes 0..{len(names) - 1},"
            " or set data.num_classes if classes may lack events"
        )
    return tuple(names.get(label, f"class {label}") for label in range(num_classes or len(names)))
