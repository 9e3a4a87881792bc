"""A command that is killed at one moment after another, and started again until it is done."""

import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.readable import assert_readable
from tests.forked import ROOT, ForkServer

DYING = ROOT / "tests" / "faults" / "dying.py"
KILLED = (-signal.SIGKILL, -signal.SIGXFSZ)
"""What ends a process at once: the second where it dies while it writes."""

KINDS = {
    "event": "before a file was opened, renamed or removed",
    "torn": "within a file",
    "after": "by the clock",
    "group": "by the clock, with all workers",
}
"""What the kinds of moments at which a command is killed are called."""


def died(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a command was ended from outside, or where it is told so instead, could write no more to a file."""
    return done.returncode in KILLED or "File too large" in done.stderr


def assert_same_files(one: Path, other: Path) -> None:
    here, there = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (one, other)
    )
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


@dataclass(frozen=True)
class Event:
    """What a run does to a file: `seconds` after its first such deed."""

    seconds: float
    deed: str
    file: str


@dataclass
class Killing:
    """A command whose undisturbed run is known, and kills of it in the same folder.

    Attributes:
        python: runs scripts.
        command: a script and its arguments, among them `folder`.
        folder: what it writes; its undisturbed outcome is moved to `whole`.
        kinds: of moments, see `moments`.
        refusal: what the command says where all is done.
        met: how often it was killed, by the kind of the moment.
    """

    python: ForkServer
    command: tuple[str, ...]
    folder: Path
    kinds: tuple[str, ...] = ("event", "torn", "after")
    refusal: str = "Traceback, or what else is no refusal"
    met: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.whole = self.folder.with_name(f"{self.folder.name}.whole")
        trace = self.folder.with_name(f"{self.folder.name}.trace")
        done = self.run(f"count:{trace}")
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [line.split(" ", 2) for line in trace.read_text().splitlines()]
        began = float(lines[0][0])
        self.seconds = time.monotonic() - began
        self.events = [Event(float(seconds) - began, deed, file) for seconds, deed, file in lines]
        self.folder.rename(self.whole)

    def run(self, moment: str = "never") -> subprocess.CompletedProcess[str]:
        """Run the command, to its end or to a moment; what is there afterwards can be read."""
        done = self.python.run(DYING, moment, self.folder, *self.command)
        if died(done):
            self.met[moment.partition(":")[0]] += 1
        assert_readable(self.folder)
        return done

    def finish(self) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        done = self.run()
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def begin_anew(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def moments(self, seed: int) -> Iterator[str]:
        """Draw moments: by what is done to files, in the middle of writing one, by the clock."""
        random = Random(seed)
        while True:
            place, share = random.randrange(len(self.events)), random.random()
            for kind in self.kinds:
                yield {
                    "event": f"event:{place}",
                    "torn": f"torn:{random.randrange(len(self.events))}:{max(1, int(share * self.largest))}",
                    "after": f"after:{share * self.seconds:.3f}",
                    "group": f"group:{random.random() * self.seconds:.3f}",
                }[kind]

    def kill(self, times: int, seed: int) -> Iterator[bool]:
        """Kill the command at random moments and let it go on, until it was killed so many times and is done.

        After every run it is told whether the command is done; then all begins anew.
        """
        for moment in self.moments(seed):
            left = times - self.met.total()
            done = self.run(moment if left > 0 else "never")
            ended = not died(done)
            assert not ended or done.returncode == 0 or self.refusal in done.stderr, done.stdout + done.stderr
            yield ended
            if ended:
                self.begin_anew()
                if left <= 0:
                    return

    def before(self, file: str, number: int = -1) -> str:
        """Return the moment before a file appears, the n-th or last time."""
        return f"event:{self._place(file, number)}"

    def after(self, file: str, number: int = -1) -> str:
        """Return the moment after a file has appeared: before anything else is done."""
        return f"event:{self._place(file, number) + 1}"

    def within(self, file: str, number: int = -1) -> str:
        """Return the moment in which half of a file is written."""
        (path,) = self.whole.rglob(file)
        return f"torn:{self._place(file, number) - 1}:{path.stat().st_size // 2}"

    def _place(self, file: str, number: int) -> int:
        """Number of the event by which a file appears."""
        events = enumerate(self.events)
        return [place for place, event in events if event.deed == "os.rename" and f".{file}." in event.file][number]

    @property
    def struck(self) -> str:
        """How often it was killed, by the kind of the moment, in words."""
        kinds = ", ".join(f"{times} {KINDS[kind]}" for kind, times in self.met.items())
        return f"{self.met.total()} moments ({kinds})"

    @property
    def largest(self) -> int:
        return max(path.stat().st_size for path in self.whole.rglob("*") if path.is_file())
