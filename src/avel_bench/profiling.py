"""Where the time of a step goes: traces for a browser, and the costliest operators."""

from __future__ import annotations

import re
from pathlib import Path

from rich.table import Table
from torch.autograd.profiler_util import EventList
from torch.profiler import ProfilerActivity
from torch.profiler import profile as torch_profile

from avel.files import whole_file
from avel_bench.screen import Screen
from avel_bench.settings import Settings
from avel_bench.timing import Work

OPERATORS = 10
"""Rows of the table."""


def profile(work: Work, folder: Path, settings: Settings, screen: Screen) -> Table:
    """Write a Chrome trace of some work, done once; return the operators that took longest by themselves."""
    screen.doing(f"{work.name}, profile")
    gpu = [ProfilerActivity.CUDA] if settings.on_gpu else []
    with torch_profile(activities=[ProfilerActivity.CPU, *gpu]) as found:
        work.run()
    path = folder / f"{re.sub(r'[^a-z0-9]+', '_', work.name.lower())}.json"
    with whole_file(path) as temporary:
        found.export_chrome_trace(str(temporary))
    return _costliest(found.key_averages(), f"{work.name}: {path}", on_gpu=settings.on_gpu)


def _costliest(operators: EventList, title: str, *, on_gpu: bool) -> Table:
    """Put the operators with the most time of their own, on the device, into a table."""
    times = {op.key: (op.self_device_time_total if on_gpu else op.self_cpu_time_total, op.count) for op in operators}
    total = sum(time for time, _ in times.values()) or 1
    table = Table("operator", "ms", "share", "calls", title=title)
    for name, (time, calls) in sorted(times.items(), key=lambda item: -item[1][0])[:OPERATORS]:
        table.add_row(name, f"{time / 1e3:,.1f}", f"{time / total:.0%}", f"{calls:,}")
    return table
