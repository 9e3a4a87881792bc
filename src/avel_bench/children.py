"""Work in a process of its own, and how much memory it takes."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")

MIB = 2**20
STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def in_child(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a fresh process, whose memory holds nothing of what was measured before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def counts_memory(device: str) -> bool:
    """Whether `peak_memory` can tell: main memory is counted by Linux alone."""
    return device == "cuda" or STATUS.exists()


def peak_memory(work: Callable[[], object], device: str) -> float:
    """Return by how many MiB memory grows at most while some work is done, what it leaves included."""
    gc.collect()  # what was done before must not shrink meanwhile
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return (torch.cuda.max_memory_allocated() - before) / MIB
    FORGET.write_text("5")  # the peak so far: that of importing
    before = _resident("VmRSS")
    work()
    return (_resident("VmHWM") - before) / MIB


def _resident(name: str) -> int:
    """Return a number of bytes that Linux knows of this process."""
    found = re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024
