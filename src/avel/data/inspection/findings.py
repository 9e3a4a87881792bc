"""What a user should know about a data set, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]

LISTED = 10
"""Faults that are listed one by one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a user should know.

    Attributes:
        what: it is.
        remedy: what to do, or what becomes of it; may be empty.
        level: "error": training fails for it; "warning": it may spoil the result; "note": it is good to know.
    """

    what: str
    remedy: str = ""
    level: Level = "warning"


def faulty_videos(faults: Mapping[str, str], videos: int) -> Iterator[Finding]:
    """Tell which of all annotated videos have malformed annotations, and how."""
    few = "Correct them; data.beyond=clip mends events that reach beyond their video or end before they start"
    most = "Are the times in seconds, from the beginning of the file, and the durations right?"
    if faults:
        yield Finding(
            f"Videos with malformed annotations: {len(faults)} of {videos}{listed(faults)}",
            most if 2 * len(faults) > videos else few,
            "error",
        )


def damaged_videos(damaged: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which videos' features cannot be read, and why."""
    if damaged:
        what = f"Videos with damaged features: {len(damaged)}{listed(damaged)}"
        yield Finding(what, "Extract or download them again", "error")


def some(names: Sequence[str], most: int = 3) -> str:
    """Return the first of some names."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def listed(faults: Mapping[str, str]) -> str:
    """Return the first of some faults, one a line."""
    lines = [f"\n{video}: {fault}" for video, fault in list(faults.items())[:LISTED]]
    return "".join(lines) + (f"\n… and {len(faults) - LISTED} more" if len(faults) > LISTED else "")
