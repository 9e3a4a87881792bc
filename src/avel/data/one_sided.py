"""Spans in which something is only heard, or only seen: no events, but known, to find out who takes them for some.

Beside its `annotations` (`avel.data.annotations`) a video may have `only_heard` and `only_seen`, lists like that one:

    {"segment": [start, end], "label"}        seconds; without a label it may be anything
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from avel.data.event_checks import get, number

SIDES = ("heard", "seen")

NO_CLASS = -1
"""Class id of a span without a label, or with one that is none of the classes."""


@dataclass(frozen=True, slots=True)
class OneSidedSpan:
    """A span in which something is only heard or only seen.

    Attributes:
        side: one of `SIDES`.
        start: in seconds.
        end: in seconds.
        label: what it is, None where nobody says so.
    """

    side: str
    start: float
    end: float
    label: str | None


def read_one_sided(entry: Mapping[str, Any]) -> tuple[OneSidedSpan, ...]:
    """Read the spans of a video.

    Raises:
        ValueError: one is malformed; the message says how.
    """
    return tuple(_span(row, side) for side in SIDES for row in _rows(entry, f"only_{side}"))


def one_sided_table(spans: Sequence[OneSidedSpan], class_names: Sequence[str]) -> dict[str, Any]:
    """Return spans as tensors.

    Returns:
        "segments": (N, 2) float64 seconds, "labels": (N,) int64, class ids or `NO_CLASS`, "sides": (N,) int64, index
        into `SIDES`.
    """
    label = {name: place for place, name in enumerate(class_names)}
    segments = np.array([(span.start, span.end) for span in spans], dtype=np.float64).reshape(-1, 2)
    return {
        "segments": torch.from_numpy(segments),
        "labels": torch.tensor([label.get(span.label or "", NO_CLASS) for span in spans], dtype=torch.int64),
        "sides": torch.tensor([SIDES.index(span.side) for span in spans], dtype=torch.int64),
    }


def _rows(entry: Mapping[str, Any], key: str) -> list[Any]:
    rows = entry.get(key, [])
    if not isinstance(rows, list):
        raise ValueError(f'"{key}" must be a list')
    return rows


def _span(row: Any, side: str) -> OneSidedSpan:
    segment = get(row, "segment")
    if not isinstance(segment, list) or len(segment) != 2:
        raise ValueError(f"only_{side}: segment {segment!r} must be [start, end] in seconds")
    start, end = (number(value, f"only_{side}: segment") for value in segment)
    if start >= end:
        raise ValueError(f"only_{side}: [{start:g}, {end:g}] s ends before it starts")
    label = row.get("label")
    if not isinstance(label, str | None):
        raise ValueError(f"only_{side}: label {label!r} must be a string")
    return OneSidedSpan(side, start, end, label)
