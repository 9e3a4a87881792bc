"""Several processes that are one run: which of them this is, what they call the run, and who speaks when it fails.

Lightning starts them by itself (it repeats the command), or `torchrun` and Slurm's `srun` do. Rank 0 writes and speaks.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from avel.errors import UserError

RANK = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
"""Variables that say which process this is, in Lightning's order: of torchrun, of Lightning itself, of Slurm."""

PATIENCE = 5.0
"""Seconds in which another rank may come to speak first."""

INTERACTIVE = ("bash", "interactive")
"""Names of Slurm jobs in which `srun` did not start the process."""


def rank() -> int:
    """Number of this process in its run, 0 for the first or only one (before Lightning knows)."""
    return int(next((os.environ[name] for name in RANK if name in os.environ), 0))


def launched() -> int:
    """How many processes torchrun or Slurm started; 1 where they did not."""
    if by_torchrun():
        return int(os.environ["WORLD_SIZE"])
    return int(os.environ["SLURM_NTASKS"]) if by_slurm() else 1


def by_torchrun() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def by_slurm() -> bool:
    """Whether Slurm did, and torchrun within it did not."""
    slurm = "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in INTERACTIVE
    return slurm and not by_torchrun()


def check_launch(world_size: int) -> None:
    """Refuse a trainer that does not work with the processes that were started.

    Args:
        world_size: how many processes the trainer works with.

    Raises:
        UserError: it is another number; each process would train alone, or wait for others forever.
    """
    if launched() not in (1, world_size):
        raise UserError(
            f"{launched()} processes were started, but the trainer works with {world_size}: take trainer=ddp, and leave"
            " trainer.devices (processes of a node) and trainer.num_nodes to torchrun or Slurm"
        )


def agree_on_start(now: str) -> str | None:
    """Name the start of a run, for all processes alike, where they were started from outside; None elsewhere.

    A folder that is named by the clock would be another one for each of them.

    Args:
        now: what this process calls the start; that of rank 0 counts.

    Returns:
        Under torchrun the name that rank 0 gave; under Slurm the numbers of job and step.

    Raises:
        UserError: torchrun was told to keep its store to itself.
    """
    if launched() == 1:
        return None
    if by_slurm():
        numbers = [os.environ.get(f"SLURM_{name}") for name in ("JOB_ID", "STEP_ID", "RESTART_COUNT")]
        return "-".join(["slurm", *filter(None, numbers)])
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        raise UserError("TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1: processes cannot agree on a run folder, leave it unset")
    # seconds, which other processes need not spend
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    key = "/".join(["avel", *(os.environ[f"TORCHELASTIC_{name}"] for name in ("RUN_ID", "RESTART_COUNT"))])
    if rank() == 0:
        store.set(key, now)
    return store.get(key).decode()


@contextmanager
def one_voice() -> Iterator[None]:
    """Let rank 0 alone say what went wrong, and let no rank outlive it.

    What all ranks find, rank 0 says, and the others end with it. A rank above that is alive still after a while knows
    what rank 0 does not, and says it itself; then rank 0 only points to it.
    """
    if rank() > 0:
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    else:
        _Obituary().read_along()
    try:
        yield
    except Exception as error:
        if rank() > 0:
            time.sleep(PATIENCE)
        elif is_of_another(error):
            raise UserError("another process of this run has failed (it says above why) or was killed") from error
        raise


def is_of_another(error: BaseException) -> bool:
    """Whether an error is only what this process hears when another one has failed."""
    return isinstance(error, RuntimeError) and ("gloo" in str(error) or "NCCL" in str(error))


class _Obituary(logging.Handler):
    """Ends this process with a message when Lightning finds one that it has started dead, which it tells its log alone.

    (It then kills all others, this one too, as they may wait for the dead one forever.)
    """

    def read_along(self) -> None:
        watch = logging.getLogger("lightning.fabric.strategies.launchers.subprocess_script")
        watch.setLevel(logging.INFO)
        watch.propagate = False
        watch.handlers = [self]

    def emit(self, record: logging.LogRecord) -> None:
        found = record.getMessage().partition(". Forcefully")[0]
        print(f"error: another process of this run has failed: {found}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)


def _end_with(parent: int) -> None:
    """End this process when the one that started it has ended, even in the middle of a collective call."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
