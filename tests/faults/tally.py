"""Puts bad inputs into a reader, one after the other, and counts what comes out: a UserError, or a good reading."""

from __future__ import annotations

import re
import resource
import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from avel.errors import UserError, harmless

SECONDS = 120
"""After which a reading hangs: far more than any takes, whatever else the machine does."""
MEMORY = 3 * 2**30
"""Bytes of address space that a reading may take in addition."""
LONGEST, LINES = 1_500, 16
"""Characters and lines of a message at most; three findings of the check before a start are the longest."""


class Hang(BaseException):
    """A reading did not end; no reader may catch this."""


@dataclass
class Tally:
    """What became of bad inputs.

    Attributes:
        good: how many were read as good.
        messages: what others were refused with, without names and numbers -> how often.
        wrong: what no user should see -> the first input that led to it.
    """

    good: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)

    def put(self, read: Callable[[], object], place: str, number: str) -> None:
        """Read one input.

        Args:
            read: reads it.
            place: what a message must name, such as the file.
            number: of the input, to find it again.
        """
        try:
            with _guarded(), warnings.catch_warnings(action="ignore"):
                read()
            self.good += 1
        except UserError as error:
            self.messages[_pattern(str(error))] += 1
            if fault := _fault(str(error), place):
                self.wrong.setdefault(fault, f"{number}: {str(error)[:300]!r}")
        except (Exception, Hang) as error:
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/avel/" in frame.filename]
            where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
            self.wrong.setdefault(f"{type(error).__name__} in {where}", f"{number}: {str(error)[:300]}")

    @property
    def inputs(self) -> int:
        """How many inputs there were."""
        return self.good + self.messages.total()

    def survived(self) -> str:
        """Say what became of them."""
        often = "; ".join(f"{count} x {message}" for message, count in self.messages.most_common(2))
        return f"{self.messages.total()} refused, {self.good} read as good; most often: {often}"


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return all files below a folder: path -> size and time of the last change."""
    found = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*") if not path.is_dir()}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


@contextmanager
def _guarded() -> Iterator[None]:
    """End what hangs, and refuse memory to what takes too much."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = signal.signal(signal.SIGALRM, _hang)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        signal.signal(signal.SIGALRM, before)


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang(f"did not end within {SECONDS} s")


def _pattern(message: str) -> str:
    words = re.sub(r"/\S*/(?=[^/\s]+)", "", message.partition("\n")[0])  # folders
    return re.sub(r"'[^']*'?|\"[^\"]*\"|\S*\d\S*", "_", words)[:70]


def _fault(message: str, place: str) -> str:
    """Return what is wrong with a message; nothing where it is fit to be read."""
    if place not in message:
        return f"does not name {place}: {_pattern(message)}"
    if len(message) > LONGEST or message.count("\n") >= LINES:
        return f"is long: {_pattern(message)}"
    if message != harmless(message):
        return f"holds signs that a terminal would obey: {_pattern(message)}"
    return ""
