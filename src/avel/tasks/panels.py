"""What dashboards show of an evaluation beside its scores: timelines of some videos, AP per class, mAP over tIoU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from avel.errors import check_count
from avel.events import Event
from avel.exchange.names import file_names
from avel.report.raster import rasterize
from avel.report.timeline import draw_timeline
from avel.tasks.base import Localizer
from avel.tasks.error_panels import show_errors
from avel.tasks.evaluation import DenseData
from avel.tasks.protocols import LocalizationData
from avel.training.dashboards import Dashboard, Moment, dashboards, is_due, moment_of
from avel.training.results import score_name

Rows = list[list[Any]]


class EvaluationPanels(Callback):
    """Shows evaluations in TensorBoard and W&B, those of a training every few epochs; other loggers get nothing.

    - "timelines/val/<video>": annotated and predicted events of a handful of videos, the same ones in every run, by
      names of files, as W&B makes files of them;
    - "val/ap_per_class": a table, one row per class;
    - "val/map_per_tiou": a curve.

    Tests have "test" for "val", and show where the method fails (see `show_errors`). Where tasks have names these
    follow, as in "val/desed/ap_per_class".

    Args:
        every_n_epochs: epochs of a training between two showings; its last epoch is always shown.
        count: videos of which timelines are drawn; half of them have several events, as far as there are such videos.

    Raises:
        UserError: an `every_n_epochs` below 1 or a negative `count`.
    """

    def __init__(self, every_n_epochs: int = 5, count: int = 6) -> None:
        check_count("callbacks.panels.count", count, 0)
        check_count("callbacks.panels.every_n_epochs", every_n_epochs)
        self.every_n_epochs, self.count = every_n_epochs, count

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show a validation (called by the trainer)."""
        if is_due(trainer, self.every_n_epochs):
            self._show(trainer, cast(Localizer, pl_module), "val", _data(trainer).selection_split)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show a test (called by the trainer)."""
        self._show(trainer, cast(Localizer, pl_module), "test", "test", errors=True)

    def _show(self, trainer: Trainer, method: Localizer, prefix: str, split: str, *, errors: bool = False) -> None:
        boards = dashboards(trainer.loggers)
        if not boards or not trainer.is_global_zero:
            return
        tables, moment = method.tables, moment_of(trainer)
        for task, data in _data(trainer).by_task().items():
            for board in boards:
                show_scores(board, score_name(prefix, task), data, method.scores[task], method.ap[task], moment)
            name = score_name("timelines", prefix, task)
            self._show_timelines(boards, name, data, split, tables[task].by_video(), moment)
            if errors and method.ap[task].numel():
                show_errors(boards, score_name(prefix, task), data, split, tables[task], moment)

    def _show_timelines(
        self,
        boards: Sequence[Dashboard],
        prefix: str,
        data: DenseData,
        split: str,
        predicted: Mapping[str, Sequence[Event]],
        moment: Moment,
    ) -> None:
        targets, durations = data.targets(split), data.durations(split)
        judged = {video: len(target["labels"]) for video, target in targets.items() if video in predicted}
        for video, name in file_names(handful(judged, self.count)).items():
            annotated = annotated_events(video, targets[video], data.class_names)
            image = rasterize(draw_timeline(video, durations[video], annotated, predicted[video]))
            for board in boards:
                board.show_picture(f"{prefix}/{name}", image, moment)


def show_scores(
    board: Dashboard, prefix: str, data: DenseData, scores: Mapping[str, float], ap: Tensor, moment: Moment
) -> None:
    """Show the mAP over tIoU as a curve and the AP of every class as a table, where there are such scores.

    Args:
        board: shows them.
        prefix: beginning of their names.
        data: knows classes and thresholds.
        scores: name -> value, among them "map@0.50" and so on.
        ap: (C, T) average precision per class and threshold; empty where there is none.
        moment: when they were found.
    """
    points = [(float(name.removeprefix("map@")), value) for name, value in scores.items() if name.startswith("map@")]
    if points:
        board.show_curve(f"{prefix}/map_per_tiou", ("tIoU", "mAP"), points, moment)
    if ap.numel():
        columns = ["class", "AP", *(f"AP@{threshold:.2f}" for threshold in data.tiou_grid)]
        board.show_table(f"{prefix}/ap_per_class", columns, class_rows(ap, data.class_names), moment)


def class_rows(ap: Tensor, class_names: Sequence[str]) -> Rows:
    """Tabulate classes: name, AP averaged over thresholds, AP per threshold; None where a class has no events.

    Args:
        ap: (C, T); NaN for classes without events.
        class_names: C names.
    """
    rows = zip(class_names, ap.mean(dim=1).tolist(), ap.tolist(), strict=True)
    return [[name, *(None if value != value else value for value in (mean, *values))] for name, mean, values in rows]


def handful(events: Mapping[str, int], count: int) -> list[str]:
    """Choose videos that stand for a split, the same ones wherever there are the same ids.

    Args:
        events: video id -> number of its events.
        count: how many videos; fewer where there are fewer.

    Returns:
        Half of them with several events, as far as there are such videos; by the hash of their ids, then sorted.
    """
    shuffled = sorted(events, key=lambda video: sha256(video.encode(errors="surrogatepass")).digest())
    several = [video for video in shuffled if events[video] > 1][: (count + 1) // 2]
    return sorted([*several, *(video for video in shuffled if video not in several)][:count])


def annotated_events(video: str, target: Mapping[str, Any], class_names: Sequence[str]) -> list[Event]:
    """Name the events of a video.

    Args:
        video: its id.
        target: `segments` (N, 2) in seconds and `labels` (N,).
        class_names: C names.
    """
    rows = zip(target["segments"].tolist(), target["labels"].tolist(), strict=True)
    return [Event(video, start, end, class_names[label]) for (start, end), label in rows]


def _data(trainer: Trainer) -> LocalizationData:
    return cast(LocalizationData, trainer.datamodule)  # type: ignore[attr-defined]
