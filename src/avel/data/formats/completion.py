"""Fills in what formats do not say: subsets and durations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from avel.data.formats.entries import Entry

UNKNOWN = 1.0
"""Seconds that a video lasts of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How long a video is by its features.

    Attributes:
        until: seconds up to which they saw it.
        slack: seconds that it may go on behind that.
    """

    until: float
    slack: float


def complete_subsets(database: Mapping[str, Entry]) -> dict[str, Entry]:
    """Give all videos to training where no video has a subset.

    Raises:
        ValueError: some have one and some have none.
    """
    without = [video for video, entry in database.items() if entry.get("subset") is None]
    if 0 < len(without) < len(database):
        raise ValueError(f"video {without[0]!r} has no subset, but others have: give one to every video, or to none")
    return {video: entry | {"subset": "train"} for video, entry in database.items()} if without else dict(database)


def complete_durations(database: Mapping[str, Entry], seen: Callable[[str], Seen | None]) -> dict[str, Entry]:
    """Fill in durations: up to what the features saw, or to the end of the last event if that is soon after.

    Args:
        database: video id -> entry.
        seen: says how long a video is by its features; None where it has none that can be read, so that the end of its
            last event is all that is known.
    """
    lacking = {video: entry for video, entry in database.items() if entry.get("duration") is None}
    found = {video: _duration(_last_end(entry), seen(video)) for video, entry in lacking.items()}
    return dict(database) | {video: entry | {"duration": found[video]} for video, entry in lacking.items()}


def _duration(last_end: float, seen: Seen | None) -> float:
    if seen is None:
        return last_end if last_end > 0 else UNKNOWN
    return last_end if seen.until < last_end <= seen.until + seen.slack else seen.until


def _last_end(entry: Entry) -> float:
    """Return when the last event ends; 0 where there is none, or where events are not as they should be."""
    try:
        return max((float(row["segment"][1]) for row in entry["annotations"]), default=0.0)
    except (TypeError, KeyError, IndexError, ValueError):
        return 0.0
