"""Takes times, several works by turns."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from avel_bench.rows import Goal, Row
from avel_bench.screen import Screen
from avel_bench.settings import Settings

SAMPLE_SECONDS = 0.05
"""Work that is done sooner is repeated within a sample for about that long."""

Clock = Callable[[], float]


class Work(NamedTuple):
    """Something whose time is taken.

    Attributes:
        name: of the row.
        run: does it.
        videos: how many it is done for: the row is about one of them.
        goal: of the row.
    """

    name: str
    run: Callable[[], object]
    videos: int = 1
    goal: Goal | None = None


def clock(settings: Settings) -> Clock:
    """Return a clock in seconds: the process's own where one thread works, which others disturb little."""
    if settings.on_gpu:
        return synchronized
    return time.process_time if settings.threads == 1 else time.perf_counter


def wall_clock(settings: Settings) -> Clock:
    """Return a clock in seconds that also runs while the process waits for a disk."""
    return synchronized if settings.on_gpu else time.perf_counter


def synchronized() -> float:
    """Wait for the GPU and look at the clock."""
    torch.cuda.synchronize()
    return time.perf_counter()


def time_by_turns(works: Sequence[Work], unit: str, settings: Settings, screen: Screen) -> list[Row]:
    """Take the time of some works, in each round once of every one.

    Args:
        works: what is done.
        unit: what the rows are in: the name of a millisecond of what.
        settings: how often, and by which clock.
        screen: shows what is going on.
    """
    now = clock(settings)
    calls = []
    for work in works:
        screen.doing(f"{work.name}, warming up")
        calls.append(_warm_up(work, now, settings))
    samples: list[list[float]] = [[] for _ in works]
    for repeat in range(1, settings.repeats + 1):
        for work, number, taken in zip(works, calls, samples, strict=True):
            screen.doing(f"{work.name}, {repeat} of {settings.repeats}")
            seconds = timeit.timeit(work.run, timer=now, number=number)
            taken.append(1e3 * seconds / (number * work.videos))
    return [Row(work.name, unit, taken, work.goal) for work, taken in zip(works, samples, strict=True)]


def _warm_up(work: Work, now: Clock, settings: Settings) -> int:
    """Return how often the work is to be done for a sample."""
    seconds = [timeit.timeit(work.run, timer=now, number=1) for _ in range(settings.warmup)]
    return 1 if settings.narrow or not seconds else max(1, int(SAMPLE_SECONDS / max(min(seconds), 1e-6)))
