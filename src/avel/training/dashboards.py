"""Dashboards: loggers that show more than numbers, and what every run tells them about itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from PIL.Image import Image

REPORT = ("config.yaml", "results.json", "metrics.csv", "report.html", "predictions/**/*.json")
"""Files of a run folder, as patterns, that a dashboard keeps."""


class Moment(NamedTuple):
    """When something was found out, on both axes of a dashboard.

    Attributes:
        step: optimizer steps so far.
        epoch: the epoch, from 0.
    """

    step: int
    epoch: int


class Dashboard(ABC):
    """What callbacks ask of a logger that shows pictures and tables and keeps files. Only rank 0 shows anything."""

    @abstractmethod
    def describe(self, config: Mapping[str, Any]) -> None:
        """Say what the run is: its resolved configuration and the versions of the code, in plain values."""

    @abstractmethod
    def show_picture(self, name: str, image: Image, moment: Moment) -> None:
        """Show a picture; those of one name are one picture over time."""

    @abstractmethod
    def show_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], moment: Moment) -> None:
        """Show a table of texts and numbers; None is an empty cell."""

    @abstractmethod
    def show_curve(
        self, name: str, columns: tuple[str, str], points: Sequence[tuple[float, float]], moment: Moment
    ) -> None:
        """Show a curve through (x, y), `columns` being what x and y are."""

    @abstractmethod
    def keep(self, folder: Path, paths: Iterable[Path], model: Path | None) -> None:
        """Keep files of the run folder, and the best checkpoint where that is wanted."""

    @property
    @abstractmethod
    def run_id(self) -> str:
        """What a resumed run needs to go on with this one; "" where its folder says it all."""

    @abstractmethod
    def resume(self, run_id: str) -> None:
        """Go on with another run, before anything is shown."""

    @abstractmethod
    def close(self, *, failed: bool = False) -> str:
        """End the run; return what a person has to do yet, "" for nothing."""


def dashboards(loggers: Iterable[Logger]) -> list[Dashboard]:
    """Return those of the loggers that show more than numbers."""
    return [logger for logger in loggers if isinstance(logger, Dashboard)]


def moment_of(trainer: Trainer) -> Moment:
    """Say when it is."""
    return Moment(trainer.global_step, trainer.current_epoch)


def is_due(trainer: Trainer, every_n_epochs: int) -> bool:
    """Whether a validation is to be shown: one by itself always, one of a training every few epochs and at the end."""
    if trainer.state.fn != "fit":
        return True
    epoch = trainer.current_epoch + 1
    return not trainer.sanity_checking and (epoch % every_n_epochs == 0 or epoch == trainer.max_epochs)


def close_with_report(loggers: Iterable[Logger], folder: Path, weights: str | None) -> list[str]:
    """Let dashboards keep what a run has come to, and end; return what a person has to do yet.

    Args:
        loggers: those of the run.
        folder: the run folder; its files that match `REPORT` are kept.
        weights: the checkpoint that was judged.
    """
    inside = folder.resolve()  # links in a folder of others may lead to what is nobody's business
    paths = [path for name in REPORT for path in sorted(folder.glob(name)) if path.resolve().is_relative_to(inside)]
    boards = dashboards(loggers)
    for board in boards:
        board.keep(folder, paths, Path(weights) if weights else None)
    return [left for board in boards if (left := board.close())]


@contextmanager
def closed_by_failures(loggers: Iterable[Logger], tell: Callable[[str], None]) -> Iterator[None]:
    """End the runs of dashboards where something goes wrong, as the last thing: what is not uploaded may take long.

    Args:
        loggers: those of the run.
        tell: says what a person has to do yet.
    """
    try:
        yield
    except BaseException:
        for board in dashboards(loggers):
            if left := board.close(failed=True):
                tell(left)
        raise


class RunOnDashboards(Callback):
    """Tells dashboards what the run is, and lets them go on where a resumed run stopped.

    Args:
        config: the resolved config and the versions of the code, plain values.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self._described = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what the run is, once; checkpoints have been read by now (called by the trainer)."""
        if not self._described:
            for board in dashboards(trainer.loggers):
                board.describe(self.config)
        self._described = True

    on_validation_start = on_test_start = on_predict_start = on_fit_start

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add what the runs are called (called by the trainer)."""
        checkpoint["dashboards"] = {type(board).__name__: board.run_id for board in dashboards(trainer.loggers)}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go on with the runs of the training that is resumed (called by the trainer)."""
        before = checkpoint.get("dashboards", {})
        if trainer.state.fn == "fit":
            for board in dashboards(trainer.loggers):
                if run_id := before.get(type(board).__name__):
                    board.resume(run_id)
