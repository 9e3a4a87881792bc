"""Signals by which a machine asks a run to end: it writes its checkpoint first, and Slurm may queue it again.

SIGTERM comes before a machine is taken away, SIGUSR1 before the time is up (`#SBATCH --signal=USR1@120`); submitit has
SIGUSR2 sent for both. While a trainer trains or tests, they are `EndSignals`' alone: Lightning's own handlers write a
file of another name in the middle of a step.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any

ASKING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

log = logging.getLogger(__name__)


class RunEnded(SystemExit):
    """The machine has asked the run to end, and what there is has been saved.

    Attributes:
        signum: what it asked by.
        hand_on: tells the handler that had the signal before, e.g. submitit's, which queues its job again.
    """

    def __init__(self, signum: int, hand_on: Callable[[], None]) -> None:
        super().__init__(128 + signum)
        self.signum = signal.Signals(signum)
        self.hand_on = hand_on


class EndSignals:
    """Takes the signals over from Lightning, which gives them back when the trainer is done.

    `at_once` ends the run in the middle of what it does; else `received` waits to be looked at.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.at_once = False
        self._before: dict[int, Any] = {}

    def remember(self) -> None:
        """Note who has the signals before the trainer begins."""
        self._before = {signum: signal.getsignal(signum) for signum in ASKING}

    def take(self, *, at_once: bool) -> None:
        """Be the only one who has the signals."""
        self.received, self.at_once = None, at_once
        if threading.current_thread() is threading.main_thread():
            for signum in ASKING:
                signal.signal(signum, self._note)

    def end(self) -> RunEnded:
        """Return what ends the run; on the ranks that were not asked, too."""
        signum = self.received or signal.SIGTERM
        before = self._before.get(signum)
        return RunEnded(signum, lambda: before(signum, None) if callable(before) else None)

    def _note(self, signum: int, frame: Any) -> None:
        before = self._before.get(signum)
        if signum == signal.SIGTERM and callable(before):
            before(signum, frame)  # submitit, which waits for the other signal
            return
        self.received = signum
        if self.at_once:
            raise self.end()


def requeue() -> bool:
    """Have Slurm queue this job again; False outside of Slurm or where it will not."""
    job = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = "_".join(filter(None, job)) or os.environ.get("SLURM_JOB_ID")
    if not name:
        return False
    try:
        subprocess.run(["scontrol", "requeue", name], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        log.warning("Slurm does not queue job %s again: %s", name, getattr(error, "stderr", "") or error)
        return False
    return True
