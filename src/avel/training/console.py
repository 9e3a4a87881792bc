"""What a person sees of a run while it goes on: progress, a line per epoch. `console.log` keeps all but the bars."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from logging.handlers import MemoryHandler
from pathlib import Path

import rich
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.callbacks.progress.rich_progress import RichProgressBarTheme
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console, RenderableType
from rich.logging import RichHandler
from torch import Tensor

from avel.errors import UserError
from avel.files import WriteError
from avel.terminal import HarmlessFormatter, escape
from avel.training.checkpoint_files import find_checkpoints
from avel.training.signals import RunEnded, requeue

WIDTH = 110
"""Columns of console.log, and of the console where it is not a terminal."""

NOT_FOR_USERS = (
    # between Lightning and PyTorch
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # the features are in memory or on a fast disk: more workers are a choice (data.loader.num_workers), not a fault
    "The '.*' does not have many workers",
    # a small data set has few batches; the epoch's row is logged anyway
    "The number of training batches .* is smaller than the logging interval",
    # the run folder holds what a run needs; `hydra.run.dir` on purpose continues in an old one
    "Checkpoint directory .* exists and is not empty",
    # the predictions are kept by the method
    "predict returned None if it was on purpose",
    # the metric's value is the same on all ranks already
    r"It is recommended to use `self\.log\('(val|test)/",
    # trainer=ddp: the successor of this argument exists from PyTorch 2.13 on only
    "`broadcast_buffers` is deprecated",
    # trainer=ddp: memory order of a gradient of depthwise convolutions, (C, 1, 1, 3), whose strides say nothing
    "Grad strides do not match bucket view strides",
    # resuming in mid-epoch is exact here (ResumableLoader, SeedEachBatch)
    "You're resuming from a checkpoint that ended before the epoch ended",
)
"""Warnings (regular expressions) that a user of `run.py` can do nothing about."""

TASK_LOSS = re.compile(r"train/[^/]+/loss")
"""What the loss of a task with a name is logged as."""

NO_CHECKPOINT = "there is no checkpoint yet"
NO_COPY = "%s has lines no more: %s"

log = logging.getLogger(__name__)


class Terminal:
    """The console and its copy on disk. Log records and warnings go to both; ranks above 0 report errors only.

    Args:
        log_file: the copy; it appears with the first line after `keep`: a run that is refused leaves no file.

    Raises:
        UserError: the copy is a link to another file.
    """

    def __init__(self, log_file: Path) -> None:
        if log_file.is_symlink():
            raise UserError(f"{log_file}: is a link, and lines would be added to the file that it names: remove it")
        self.log_file = log_file
        if not rich.get_console().is_terminal:
            rich.reconfigure(width=WIDTH)
        main = rank_zero_only.rank == 0  # type: ignore[attr-defined]
        screen = RichHandler(show_path=False, show_level=False, omit_repeated_times=False)
        self._copy = LogFile(log_file, encoding="utf-8", delay=True)
        self._held = MemoryHandler(sys.maxsize, flushLevel=sys.maxsize, target=self._copy, flushOnClose=False)
        handlers = [screen, self._held] if main else [screen]
        level = logging.INFO if main else logging.ERROR
        for handler in (screen, self._copy):
            handler.setFormatter(HarmlessFormatter("%(message)s", "%X"))
        logging.basicConfig(handlers=handlers, level=level, force=True)
        for name in ("lightning.pytorch", "lightning.fabric"):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [], True  # it brings its own, which writes past the bars
            logger.setLevel(logging.WARNING)
        logging.getLogger("hydra").setLevel(logging.WARNING)  # it announces the next trial in the log of this one
        logging.captureWarnings(True)
        # a user is helped by what is wrong, not by the line of source that says so
        warnings.formatwarning = lambda message, *_, **__: str(message)
        for message in NOT_FOR_USERS:
            warnings.filterwarnings("ignore", message)

    @rank_zero_only
    def keep(self) -> None:
        """Write to disk what the copy has so far, and from now on what comes."""
        root = logging.getLogger()
        if self._held in root.handlers:
            root.removeHandler(self._held)
            root.addHandler(self._copy)
            self._held.flush()

    @rank_zero_only
    def show(self, *renderables: RenderableType) -> None:
        """Print to the console and, without colours, to its copy, which is kept then."""
        self.keep()
        _print(rich.get_console(), renderables)
        try:
            with self.log_file.open("a", encoding="utf-8") as file:
                _print(Console(file=file, width=WIDTH), renderables)
        except OSError as error:
            log.warning(NO_COPY, self.log_file, error.strerror)


class LogFile(logging.FileHandler):
    """The copy of the console. A run goes on without it where the disk is full."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - called so by logging
        """Say so once, and write no more (called where a line cannot be written)."""
        logging.getLogger().removeHandler(self)
        with suppress(OSError):
            self.close()
        log.warning(NO_COPY, self.baseFilename, sys.exc_info()[1])


def _print(console: Console, renderables: Iterable[RenderableType]) -> None:
    for renderable in renderables:
        console.print(renderable, soft_wrap=isinstance(renderable, str))


class EpochProgress(RichProgressBar):
    """Shows loss, learning rate and validation score: as a bar on a terminal, and as one line per finished epoch."""

    def __init__(self) -> None:
        theme = RichProgressBarTheme(
            progress_bar="cyan", progress_bar_finished="green", progress_bar_pulse="cyan", metrics="bold"
        )
        super().__init__(refresh_rate=1, theme=theme)
        self._epoch_began = time.monotonic()  # a run that resumes in mid-epoch does not start one

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Draw bars on terminals only (called by the trainer)."""
        super().setup(trainer, pl_module, stage)
        if not rich.get_console().is_terminal:
            self.disable()

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return what stands beside the bar (called by the bar)."""
        values = newest(trainer.callback_metrics)
        score = str(pl_module.monitor)
        label = "val mAP" if score == "map" else f"val {score}"
        formats = {"train/loss": ("loss", ".4f"), "lr": ("lr", ".1e"), f"val/{score}": (label, ".4f")}
        return {name: format(float(values[key]), form) for key, (name, form) in formats.items() if key in values}

    def _get_train_description(self, current_epoch: int) -> str:
        return f"epoch {current_epoch + 1}/{self.trainer.max_epochs}"  # Lightning counts from 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock (called by the trainer)."""
        super().on_train_epoch_start(trainer, pl_module)
        self._epoch_began = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave a line about the epoch (called by the trainer)."""
        super().on_train_epoch_end(trainer, pl_module)
        metrics = "  ".join(f"{name} {value}" for name, value in self.get_metrics(trainer, pl_module).items())
        epoch = f"epoch {trainer.current_epoch + 1:>3}/{trainer.max_epochs}"
        log.info("%s  %s  %.0f s", epoch, metrics, time.monotonic() - self._epoch_began)


def newest(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the newest value of everything that was logged; of tasks by turns, "train/loss" is their mean."""
    losses = [value for name, value in values.items() if TASK_LOSS.fullmatch(name)]
    return dict(values) | ({"train/loss": torch.stack(losses).mean()} if losses else {})


@contextmanager
def stoppable(trainer: Trainer, folder: Path, resume: str | None = None) -> Iterator[None]:
    """Say how to go on where Ctrl-C, or the machine, stopped a run; Slurm queues it again when its time is up.

    Args:
        trainer: what runs.
        folder: the run folder.
        resume: "auto" where the same command goes on in this folder, "restart" where it would begin anew in it.
    """
    last = folder / "checkpoints" / "last.ckpt"
    how = _how_to_go_on(last, resume)
    try:
        yield
    except RunEnded as ended:
        _say(f"{ended.signum.name}: {how if last.is_file() else NO_CHECKPOINT}")
        _queue_again(ended, named=resume is not None)
        raise
    except SystemExit:  # Lightning's answer to Ctrl-C
        if not trainer.interrupted:
            raise
        _say(f"Stopped: {how if last.is_file() else NO_CHECKPOINT}")
        sys.exit(130)


@contextmanager
def writing_files(folder: Path, resume: str | None = None) -> Iterator[None]:
    """Say what is left and how to go on where a file could not be written; see `stoppable`.

    Raises:
        UserError: one could not.
    """
    try:
        yield
    except WriteError as error:
        found = find_checkpoints(folder / "checkpoints")
        left = f"{NO_CHECKPOINT}: repeat the command"
        if found.newest:
            left = f"{os.path.relpath(found.newest)} is whole ({found.progress}): {_how_to_go_on(found.newest, resume)}"
        raise UserError(f"{error}\n{left}") from error


def _how_to_go_on(checkpoint: Path, resume: str | None) -> str:
    return {
        "auto": "the same command goes on",
        "restart": "go on with the same command and resume=auto",
    }.get(resume or "", f"go on with the same command and ckpt_path={os.path.relpath(checkpoint)}")


@rank_zero_only
def _say(text: str) -> None:
    Console(soft_wrap=True, highlight=False).print(escape(text))


@rank_zero_only
def _queue_again(ended: RunEnded, *, named: bool) -> None:
    ended.hand_on()
    if ended.signum == signal.SIGUSR1 and "SLURM_JOB_ID" in os.environ:
        if not named:
            _say("Slurm does not queue the job again: it would begin anew; give the command resume=auto")
        elif requeue():
            _say("Slurm has queued the job again")
