"""The run folder: what a run leaves behind. Files appear whole or not at all, and only rank 0 writes them.

config.yaml  checkpoints/{best,last}.ckpt  metrics.csv  results.json  predictions/[<task>/]<split>.json  console.log
"""

from __future__ import annotations

import csv
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from avel.errors import UserError, readable
from avel.events import EventTable
from avel.files import whole_file


def footprint(method: LightningModule, started: float) -> dict[str, Any]:
    """What a run took and what it ran with.

    Args:
        method: the module that ran.
        started: `time.monotonic()` at the start.

    Returns:
        `parameters`, `seconds`, `peak_memory_mib`, and what `code` says.
    """
    return {
        "parameters": sum(parameter.numel() for parameter in method.parameters()),
        "seconds": round(time.monotonic() - started, 1),
        "peak_memory_mib": peak_memory_mib(),
    } | code()


def code() -> dict[str, Any]:
    """Which code runs: `versions` of the packages and `git_commit` (see there)."""
    packages = ("avel", "torch", "lightning", "torchmetrics", "hydra-core", "numpy")
    return {
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "git_commit": git_commit(),
    }


def git_commit() -> str | None:
    """Commit of the source tree, ending in "-dirty" where files differ from it; None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def peak_memory_mib() -> int:
    """Most memory that was in use so far, in MiB: of the GPU where one was used, else of this process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() // 2**20
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20


def write_predictions(folder: Path, split: str, tables: Mapping[str, EventTable]) -> None:
    """Write predictions in the ActivityNet submission format.

    Args:
        folder: the run folder.
        split: what was predicted.
        tables: task -> its predictions, written to `predictions/<task>/<split>.json`; a task without a name to
            `predictions/<split>.json`.
    """
    for task, table in tables.items():
        table.write_json(folder / "predictions" / task / f"{split}.json")


class MetricsFile(Logger):
    """Writes `metrics.csv`: one row per logged step, everything that was logged at that step beside it.

    Args:
        path: the file.
        interval: seconds between two writes. The end of a run and a checkpoint always write (see `RunFolder`), so
            that a run that is killed at any moment has the rows up to its last checkpoint.
    """

    def __init__(self, path: str | Path, interval: float = 5.0) -> None:
        super().__init__()
        self.path = Path(path)
        self.interval = interval
        self.rows: dict[int, dict[str, float]] = {}
        self._write_after = 0.0
        self._repeated: dict[str, float] = {}

    @property
    def name(self) -> str:
        """Name of the run: its folder's."""
        return self.path.parent.name

    @property
    def version(self) -> str:
        """A run folder has one version only."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.path.parent)

    def log_hyperparams(self, params: Any) -> None:
        """Do nothing: `config.yaml` has them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add values to the row of a step."""
        row = self.rows.get(step or 0, {}) | {name: float(value) for name, value in metrics.items()}
        goes_on = row.get("epoch") == self._repeated.get("epoch")
        self.rows[step or 0] = self._repeated | row if goes_on else row
        if time.monotonic() >= self._write_after:
            self.write()

    def after_save_checkpoint(self, checkpoint_callback: Checkpoint) -> None:
        """Write now, and again with the next values: those of the checkpoint's own step come after it."""
        self.write()
        self._write_after = 0.0

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left."""
        self.write()

    def resume(self, path: Path, steps: int) -> None:
        """Begin with the rows that another file has about the first steps; with none if there is no such file.

        Of tasks by turns, every row of an epoch has all losses, the newest of each. Lightning, which repeats them, has
        forgotten those from before.

        Raises:
            UserError: the file is damaged.
        """
        if path.is_file():
            self.rows = {step: row for step, row in _read_rows(path).items() if step < steps}
            newest = self.rows.get(steps - 1, {})
            self._repeated = {k: v for k, v in newest.items() if k == "epoch" or k.startswith("train/")}

    def write(self) -> None:
        """Write all rows."""
        if not self.rows:
            return
        names = {name for row in self.rows.values() for name in row}
        with whole_file(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["epoch", "step", *sorted(names - {"epoch"}, key=_place)])
            writer.writeheader()
            for step, row in sorted(self.rows.items()):
                writer.writerow({k: f"{v:.8g}" for k, v in row.items()} | {"step": step})
        self._write_after = time.monotonic() + self.interval


def _read_rows(path: Path) -> dict[int, dict[str, float]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = {int(row.pop("step")): row for row in csv.DictReader(file)}
        return {step: {name: float(value) for name, value in row.items() if value} for step, row in rows.items()}
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        reason = readable(f"{type(error).__name__}: {error}")
        raise UserError(f"{path}: is no table of a training ({reason}): move it away, and its rows are lost") from None


def _place(column: str) -> tuple[int, int, str]:
    """Where a column stands: training before validation before test, what is of all tasks before what is of one."""
    order = ("lr", "train", "val", "test")
    group = column.partition("/")[0]
    return order.index(group) if group in order else len(order), column.count("/"), column


class RunFolder(Callback):
    """Puts the resolved config into every checkpoint, and lets `metrics.csv` go on where a resumed run stopped.

    Args:
        config: the resolved config, plain values; a checkpoint has it under "config".
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the config; have all rows up to the checkpoint on disk before it is (called by the trainer)."""
        checkpoint["config"] = self.config
        row = _row_to_come(trainer)
        for logger in trainer.loggers:
            if isinstance(logger, MetricsFile):
                if row:
                    logger.log_metrics(row, checkpoint["global_step"] - 1)
                logger.write()

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take the rows of the run that is resumed over (called by the trainer)."""
        if trainer.state.fn == "fit":
            before = Path(str(trainer.ckpt_path)).resolve().parent.parent / "metrics.csv"
            for logger in trainer.loggers:
                if isinstance(logger, MetricsFile):
                    logger.resume(before, checkpoint["global_step"])


def _row_to_come(trainer: Trainer) -> dict[str, float]:
    """What loggers will get about the step that a checkpoint is written in; {} where they have all.

    Lightning logs a step when its callbacks are done, and then calls nobody: there is no public way to be told.
    """
    connector: Any = trainer._logger_connector
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    in_step = trainer.training and batches.processed > batches.completed  # made, and not yet logged
    if not in_step or not connector.should_update_logs:
        return {}
    return {name: float(value) for name, value in connector.metrics["log"].items()} | {"epoch": trainer.current_epoch}
