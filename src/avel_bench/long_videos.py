"""Group long: finding the events of videos of hours from their features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from avel_bench.cases import Case, cases
from avel_bench.children import in_child, peak_memory
from avel_bench.rows import Goal, Row, ratio
from avel_bench.screen import Screen
from avel_bench.settings import Settings
from avel_bench.timing import clock

METHOD = "UnAV"
HOURS = {"full": (0.5, 3.0), "narrow": (0.01, 0.02)}
NECK = 4
"""Channels per class of a neck with which a CPU sees hours in minutes."""
COMPLETE = {"full": 0.1, "narrow": 0.005}
"""Hours that it sees with the published one."""
LINEAR, FLAT = Goal(1.1), Goal(1.1)
"""Longest against shortest video, with a tenth for noise."""


class Localized(NamedTuple):
    """What a video took: seconds, and MiB beyond its features and the weights."""

    seconds: float
    mebibytes: float


def long_rows(settings: Settings, screen: Screen) -> Iterator[Row]:
    """Measure every length once, in a process of its own; a length is many windows, whose time is alike."""
    complete, lengths = cases(narrow=settings.narrow)[METHOD], HOURS[settings.size]
    name, case = METHOD, complete
    if not settings.on_gpu:
        yield from _rows(METHOD, complete, COMPLETE[settings.size], settings, screen)
        name, case = f"{METHOD} (narrow neck)", replace(complete, neck_dim=NECK)
    rows = [_rows(name, case, hours, settings, screen) for hours in lengths]
    yield from (row for pair in rows for row in pair)
    for first, last, goal in zip(rows[0], rows[-1], (LINEAR, FLAT), strict=True):
        yield ratio(f"{last.name}, against {lengths[0]:g} h", last, first, goal)


def _rows(name: str, case: Case, hours: float, settings: Settings, screen: Screen) -> tuple[Row, Row]:
    what = f"{name}, {hours:g} h"
    screen.doing(what)
    found = in_child(localize, case, hours, settings)
    time = Row(f"{what}: time per hour", "s", [found.seconds / hours])
    return time, Row(f"{what}: peak memory", "MiB", [found.mebibytes])


def localize(case: Case, hours: float, settings: Settings) -> Localized:
    """Find events in random features with an untrained network (in a process of its own)."""
    settings.apply()
    now, seconds = clock(settings), []
    method = case.build().eval().to(settings.device)
    batch = case.batch([round(3600 * hours / case.grid.hop)]).to(settings.device)

    def timed() -> None:
        start = now()
        method.localize(batch)
        seconds.append(now() - start)

    peak = peak_memory(timed, settings.device)
    return Localized(seconds[0], peak)
