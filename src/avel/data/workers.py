"""Processes that read ahead: what ends them, and what it means when one fails, in the place of PyTorch's words."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from avel.errors import UserError

REASONS = {
    r"Bus error|shared memory|No space left|unable to (mmap|resize|write to file)": (
        "the memory that processes share (/dev/shm) is full: give it more room (docker run --shm-size=8g), or take"
        " fewer workers or smaller batches"
    ),
    r"Too many open files|ancdata": "too many files are open: raise the limit (ulimit -n 65536), or take fewer workers",
    r"MemoryError|Cannot allocate memory": "there is not enough memory: take fewer workers or smaller batches",
    r"by signal: Killed|exited unexpectedly\s*$": (
        "something killed it, most likely the machine because its memory was full: take fewer workers or smaller"
        " batches"
    ),
}
"""What PyTorch says (regular expressions) -> what it means."""

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
CAUGHT = re.compile(r"Caught (\w+) in DataLoader worker process \d+\.")
DIED = re.compile(r"DataLoader worker \(pid")
LOST = re.compile(r"Communication with the workers is no longer possible|received \d+ items of ancdata")


def heed_parent_only(worker: int) -> None:
    """Let a process that reads ahead outlive what asks a whole run to end (called in it by the loader).

    Ctrl-C, `timeout`, torchrun and schedulers signal every process. The main one then finishes its step, for which it
    may need a batch, writes a checkpoint, and ends this one: by a message, or by SIGTERM where it does not listen. When
    the main one is no more, PyTorch ends it.

    Args:
        worker: its number.
    """
    if sys.platform == "linux":  # where a signal says who sent it
        signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
        threading.Thread(target=_end_when_parent_asks, daemon=True).start()


def _end_when_parent_asks() -> None:
    while True:
        heard = signal.sigwaitinfo(ASKING)
        if heard.si_signo == signal.SIGTERM and heard.si_pid == os.getppid():
            os._exit(0)


@contextmanager
def ctrl_c_held() -> Iterator[None]:
    """Hold Ctrl-C back for a moment; processes that are started in it never hear it, and are left to this one."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def explained(error: BaseException, reads: str = "videos", options: str = "data.loader") -> UserError | None:
    """Say what was wrong where a process of a loader failed.

    Args:
        error: what PyTorch raised.
        reads: what the process reads, e.g. "train videos".
        options: of the loader.

    Returns:
        None where the error is another one.
    """
    text = f"{error} {error.__cause__ or ''}"
    if DIED.search(text):
        ended = re.search(r"killed by signal: ([\w ]+)", text)
        said, end = text, f"has died ({ended[1].strip()})" if ended else "has died"
    elif caught := CAUGHT.search(text):
        said = _raised(text, caught[1])
        end = f"has failed ({said})"
    elif LOST.search(text):
        said, end = text, "has been lost"
    else:
        return None
    reason = next((f": {reason}" for pattern, reason in REASONS.items() if re.search(pattern, said)), "")
    return UserError(
        f"a process that reads {reads} ahead {end}{reason}. With {options}.num_workers=0 the main process reads, and"
        " shows what fails"
    )


def _raised(text: str, kind: str) -> str:
    """Find the line behind the traceback of a process that says what was raised."""
    lines = [line for line in text.splitlines() if re.match(rf"(\w+\.)*{kind}\b", line)]
    return lines[-1].strip() if lines else kind


@contextmanager
def told() -> Iterator[None]:
    """Explain also what PyTorch raises in the middle of something else, as soon as it hears of a process's death."""
    try:
        yield
    except RuntimeError as error:
        if explanation := explained(error):
            raise explanation from error
        raise
