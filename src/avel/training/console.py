"""What a person sees of a run: progress, a line per epoch, tables at the end. `console.log` keeps all but the bars."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rich
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.callbacks.progress.rich_progress import RichProgressBarTheme
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console, RenderableType
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table
from torch import Tensor

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
    # resuming in mid-epoch is exact here (ResumableLoader, SeedEachBatch)
    "You're resuming from a checkpoint that ended before the epoch ended",
)
"""Warnings (regular expressions) that a user of `run.py` can do nothing about."""

SCORES = {
    "accuracy": "accuracy",
    "accuracy_partial": "accuracy, partial events",
    "event_background": "event or background",
    "event_f1": "event F1",
    "pointing": "attention on the source",
    "a2v": "from sound to picture",
    "v2a": "from picture to sound",
    "matching": "mean of both",
}
"""Scores of the tasks that are not judged by mAP alone, and what a table calls them."""

log = logging.getLogger(__name__)


class Terminal:
    """The console and its copy on disk. Log records and warnings go to both; ranks above 0 report errors only.

    Args:
        log_file: the copy; it appears with the first line.
    """

    def __init__(self, log_file: Path) -> None:
        self.log_file = log_file
        if not rich.get_console().is_terminal:
            rich.reconfigure(width=WIDTH)
        main = rank_zero_only.rank == 0  # type: ignore[attr-defined]
        screen = RichHandler(show_path=False, show_level=False, omit_repeated_times=False)
        handlers = [screen, logging.FileHandler(log_file, encoding="utf-8", delay=True)] if main else [screen]
        level = logging.INFO if main else logging.ERROR
        logging.basicConfig(format="%(message)s", datefmt="%X", handlers=handlers, level=level, force=True)
        for name in ("lightning.pytorch", "lightning.fabric"):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [], True  # it brings its own, which writes past the bars
            logger.setLevel(logging.WARNING)
        logging.captureWarnings(True)
        # a user is helped by what is wrong, not by the line of source that says so
        warnings.formatwarning = lambda message, *_, **__: str(message)
        for message in NOT_FOR_USERS:
            warnings.filterwarnings("ignore", message)

    @rank_zero_only
    def show(self, *renderables: RenderableType) -> None:
        """Print to the console and, without colours, to its copy."""
        with self.log_file.open("a", encoding="utf-8") as file:
            for console in (rich.get_console(), Console(file=file, width=WIDTH)):
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
        values = trainer.callback_metrics
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


def headline(choices: Mapping[str, str], method: LightningModule, videos: Mapping[str, int]) -> str:
    """Say in one line what runs, in rich's markup.

    Args:
        choices: chosen option of each group of the configuration.
        method: the module.
        videos: split -> number of videos.
    """
    choices = {group: escape(str(option)) for group, option in choices.items()}
    parameters = sum(parameter.numel() for parameter in method.parameters())
    splits = ", ".join(f"{count} {split}" for split, count in videos.items())
    what = f"[bold]{choices['method']}[/] ({choices['size']} size, {choices['protocol']} protocol) on {choices['data']}"
    return f"{what}: {parameters / 1e6:.2f} M parameters; videos: {splits}"


def closing(results: Mapping[str, Any], ap: Tensor, class_names: Sequence[str]) -> list[Table]:
    """Tabulate what `results.json` says; nothing where nothing was judged.

    Args:
        results: the document.
        ap: (C, T) average precision per class and tIoU; NaN for classes without events.
        class_names: C names.
    """
    scores = {
        name.partition("/")[2]: value for name, value in results["metrics"].items() if not name.startswith("baseline/")
    }
    if not scores:
        return []
    columns = {results["method"]: scores} | results["baselines"]
    what = "scores" if SCORES.keys() & scores.keys() else "mAP"
    tables = [score_table(columns, f"{what} (%), {results['split']} split")]
    return [*tables, class_table(ap, class_names)] if len(ap) else tables


def score_table(columns: Mapping[str, Mapping[str, float]], title: str) -> Table:
    """Tabulate what a task is judged by, one column per system: mAP per tIoU, or the scores that `SCORES` names.

    Args:
        columns: name of the system -> `map`, `map@0.10`, `accuracy` … -> value in [0, 1].
        title: title of the table.
    """
    first = next(iter(columns.values()))
    rows = {name: label for name, label in SCORES.items() if name in first}
    head, mean = ("", "mAP, mean over tIoU") if rows else ("tIoU", "average")
    rows = rows or {name: name.removeprefix("map@") for name in first if name.startswith("map@")}
    table = Table(head, *map(escape, columns), title=title, title_justify="left", min_width=len(title))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, label in rows.items():
        table.add_row(label, *(percent(scores.get(name)) for scores in columns.values()))
    if "map" in first:
        table.add_section()
        table.add_row(mean, *(percent(scores.get("map")) for scores in columns.values()), style="bold")
    return table


def class_table(ap: Tensor, class_names: Sequence[str], count: int = 5) -> Table:
    """Tabulate the classes with the highest and the lowest average precision.

    Args:
        ap: (C, T) average precision per class and tIoU; NaN for classes without events.
        class_names: C names.
        count: classes at either end.
    """
    mean = {name: float(value) for name, value in zip(class_names, ap.mean(dim=1), strict=True) if value == value}
    ranked = sorted(mean, key=lambda name: -mean[name])
    count = min(count, (len(ranked) + 1) // 2)
    table = Table("best classes", "AP", "worst classes", "AP", title="AP, mean over tIoU", title_justify="left")
    for best, worst in zip(ranked[:count], ranked[::-1][:count], strict=True):
        table.add_row(escape(best), percent(mean[best]), escape(worst), percent(mean[worst]))
    return table


def percent(value: float | None) -> str:
    """Format a share of 1 as percent, with two decimals as in the papers; nothing for None and NaN."""
    return "" if value is None or value != value else f"{100 * value:.2f}"
