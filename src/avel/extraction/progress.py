"""A progress bar over files by their sizes: it can tell when the work will be done, also where a file takes hours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from avel.extraction.records import Record
from avel.extraction.sources import Source
from avel.terminal import escape

STEADY = 600.0
"""Seconds of work from which the time that is left is guessed: files differ."""


class FileBar:
    """Shows how much of some files is done, which one is in work, and how long the others take; a context manager.

    Args:
        sizes: of the files, in the order of the work, in any unit.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        columns = (
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[files]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self.sizes = sizes
        self.done = 0
        self.progress = Progress(*columns, speed_estimate_period=STEADY)
        self.task = self.progress.add_task("", total=max(sum(sizes), 1), files=self._files())

    def __enter__(self) -> FileBar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def begin(self, name: str) -> Callable[[float], None]:
        """Name the next file; return what is to be told which share of it is done, in 0..1."""
        before, size = sum(self.sizes[: self.done]), self.sizes[self.done]
        self.progress.update(self.task, description=escape(name))
        return lambda share: self.progress.update(self.task, completed=before + share * size)

    def end(self) -> None:
        """Say that the file is done, whatever came of it."""
        self.done += 1
        done = sum(self.sizes[: self.done])
        self.progress.update(self.task, completed=done, files=self._files(), description="")

    def _files(self) -> str:
        return f"{self.done}/{len(self.sizes)} files"


class ExtractionBar(Callback):
    """Shows how far rank 0 is with its files; the other ranks have as much to do."""

    def __init__(self) -> None:
        self.bar: FileBar | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the bar (called by the trainer)."""
        files: Any = trainer.datamodule  # type: ignore[attr-defined]
        if trainer.is_global_zero and files.share:
            self.bar = FileBar([source.path.stat().st_size for source in files.share])
            self.bar.progress.start()

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Source, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Name the file (called by the trainer)."""
        module: Any = pl_module
        if self.bar:
            module.progress = self.bar.begin(batch.path.name)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Record,
        batch: Source,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Go on (called by the trainer)."""
        if self.bar:
            self.bar.end()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the bar as it is (called by the trainer)."""
        if self.bar:
            self.bar.progress.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the bar as it is (called by the trainer)."""
        self.on_predict_end(trainer, pl_module)
