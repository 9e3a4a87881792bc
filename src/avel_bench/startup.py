"""Group startup: what a user waits for before anything happens."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from avel_bench.rows import Goal, Row
from avel_bench.screen import Screen
from avel_bench.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "import avel": (["-c", "import avel"], Goal(0.3)),
    "python run.py --help": (["run.py", "--help"], Goal(1.5)),
}
"""Row -> arguments of Python in the folder of the repository, and seconds on an idle machine."""


def startup_rows(settings: Settings, screen: Screen) -> Iterator[Row]:
    """Measure by the clock on the wall."""
    for name, (arguments, goal) in COMMANDS.items():
        samples = []
        for repeat in range(-settings.warmup, settings.repeats):
            screen.doing(f"{name}, {repeat + 1} of {settings.repeats}" if repeat >= 0 else f"{name}, warming up")
            samples.append(seconds(arguments))
        yield Row(name, "s", samples[settings.warmup :], goal)


def seconds(arguments: list[str]) -> float:
    """Return how long a Python process takes, its own start included."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start
