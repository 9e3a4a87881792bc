"""Pictures of where a segment localizer looked, drawn when it is tested or predicts, and now and then in training."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Protocol, cast, get_args

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from avel.batch import ClipBatch, ClipPrediction
from avel.errors import UserError, check_choice, check_count
from avel.exchange.names import file_names
from avel.extraction.pictures import Pixels, frames_at
from avel.files import whole_file
from avel.losses.ranks import union_over_ranks
from avel.report.attention import Caption, Style, attention_sheet
from avel.tasks.segment import SegmentLocalizer
from avel.tasks.segment_evaluation import SegmentData
from avel.training.dashboards import dashboards, is_due, moment_of

SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi")
"""What names of video files may end with."""

log = logging.getLogger(__name__)


class PictureData(SegmentData, Protocol):
    """What the pictures ask of a data module."""

    predict_split: str


class AttentionPictures(Callback):
    """Draws where a segment localizer looked in some videos of a test or a prediction (see `attention_sheet`).

    Each video becomes `<folder>/<video>.png` and the image "attention/<video>" in TensorBoard and W&B. These may have
    "attention/val/<video>" of validations too. Where the video itself is at hand, attention lies over its frames, those
    in the middle of the snippets. Methods of other tasks are left alone.

    Args:
        folder: where the pictures go; None: to TensorBoard and W&B only.
        count: videos to draw, spread over the classes; the same ones in every run.
        videos: ids of the videos to draw instead.
        video_dir: folder of the videos, `<id>.mp4` or another of `SUFFIXES`; None draws heat maps without frames.
        style: "readable", or "released" for that of the released code of AV-att.
        every_n_epochs: epochs between two validations that are drawn; None draws none.

    Raises:
        UserError: a negative `count`, an unknown `style`, no such `video_dir`, an `every_n_epochs` below 1.
    """

    def __init__(
        self,
        folder: str | Path | None,
        *,
        count: int = 8,
        videos: Sequence[str | int] | None = None,
        video_dir: str | Path | None = None,
        style: Style = "readable",
        every_n_epochs: int | None = None,
    ) -> None:
        check_choice("callbacks.pictures.style", style, get_args(Style))
        check_count("callbacks.pictures.count", count, 0)
        if isinstance(videos, str):
            raise UserError(f"callbacks.pictures.videos={videos}: give a list, [{videos}]")
        if video_dir is not None and not Path(video_dir).is_dir():
            raise UserError(f"callbacks.pictures.video_dir={video_dir}: there is no such folder")
        self.folder = None if folder is None else Path(folder)
        self.count, self.style = count, style
        self.every_n_epochs = every_n_epochs
        check_count("callbacks.pictures.every_n_epochs", every_n_epochs, optional=True)
        # an id such as 0012 reaches us as a number
        self.videos = None if videos is None else [str(video) for video in videos]
        self.video_dir = None if video_dir is None else Path(video_dir)
        self._truth: dict[str, Tensor] = {}
        self._found: dict[str, tuple[Tensor, Tensor]] = {}
        self._faults: list[str] = []

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the videos if the validation is to be drawn (called by the trainer)."""
        self._truth, self._found, self._faults = {}, {}, []
        if self.every_n_epochs and is_due(trainer, self.every_n_epochs) and dashboards(trainer.loggers):
            self._choose(trainer, pl_module, _data(trainer).selection_split)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the videos (called by the trainer)."""
        self._truth, self._found, self._faults = {}, {}, []
        if self.folder or dashboards(trainer.loggers):
            self._choose(trainer, pl_module, "test" if trainer.testing else _data(trainer).predict_split)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: ClipBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep what was found in them (called by the trainer)."""
        for row, video in enumerate(batch.videos):
            if video in self._truth:
                found: ClipPrediction = cast(SegmentLocalizer, pl_module).found
                self._found[video] = found.labels[row].cpu(), found.attention[row].cpu()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show them (called by the trainer)."""
        self._draw(trainer, "attention/val", None)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw them (called by the trainer)."""
        self._draw(trainer, "attention", self.folder)

    on_validation_batch_end = on_predict_batch_end = on_test_batch_end
    on_predict_start, on_predict_end = on_test_start, on_test_end

    def _choose(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        if isinstance(pl_module, SegmentLocalizer):
            labels = _data(trainer).snippet_labels(split)
            videos = spread(labels, self.count) if self.videos is None else self.videos
            self._truth = {video: labels[video] for video in videos if video in labels}
            absent = [video for video in videos if video not in labels]
            if absent and trainer.state.fn != "fit":  # the validation may well be of other videos than the test
                log.warning("callbacks.pictures.videos: not in the %s split: %s", split, ", ".join(absent))

    def _draw(self, trainer: Trainer, prefix: str, folder: Path | None) -> None:
        """Draw what all ranks found, on rank 0."""
        found = union_over_ranks(self._found, trainer.world_size) if self._truth else {}
        drawn = [video for video in self._truth if video in found]
        if not drawn or not trainer.is_global_zero:
            return
        data = _data(trainer)
        for video, name in file_names(drawn).items():
            labels, attention = found[video]
            captions = make_captions(labels, self._truth[video], data.class_names, data.snippet_seconds)
            frames = self._frames(video, [(t + 0.5) * data.snippet_seconds for t in range(len(labels))])
            image = attention_sheet(attention, captions, frames=frames, title=video, style=self.style)
            if folder:
                with whole_file(folder / f"{name}.png") as path:
                    image.save(path, "PNG")
            for board in dashboards(trainer.loggers):
                board.show_picture(f"{prefix}/{name}", image, moment_of(trainer))
        if self._faults:
            log.warning("%d of %d pictures have no frames: %s", len(self._faults), len(drawn), self._faults[0])

    def _frames(self, video: str, times: Sequence[float]) -> Pixels | None:
        if self.video_dir is None:
            return None
        name = re.sub(r"~\d+$", "", video)  # further annotations of one video
        paths = [self.video_dir / f"{name}{suffix}" for suffix in SUFFIXES]
        try:
            return frames_at(next(filter(Path.is_file, paths), paths[0]), times)
        except UserError as error:
            self._faults.append(str(error))
            return None


def make_captions(predicted: Tensor, true: Tensor, class_names: Sequence[str], hop: float) -> list[Caption]:
    """Say what T snippets of `hop` seconds were taken for and what they are; both (T,), C is background."""
    names = [*class_names, "background"]
    classes = zip(predicted.tolist(), true.tolist(), strict=True)
    return [
        Caption(f"{t * hop:g}-{(t + 1) * hop:g} s", names[said], names[label])
        for t, (said, label) in enumerate(classes)
    ]


def spread(labels: Mapping[str, Tensor], count: int) -> list[str]:
    """Choose videos from as many classes as possible, evenly from among the first ones of all classes.

    Args:
        labels: video id -> class of each snippet, (T,); the lowest one is the class of the video.
        count: how many; fewer where there are fewer.
    """
    by_class: dict[int, list[str]] = {}
    for video, classes in labels.items():
        by_class.setdefault(int(classes.min()), []).append(video)
    rounds = zip_longest(*(by_class[label] for label in sorted(by_class)))
    videos = [video for video in chain(*rounds) if video is not None][: max(count, len(by_class))]
    count = min(count, len(videos))
    return [videos[i * len(videos) // count] for i in range(count)]


def _data(trainer: Trainer) -> PictureData:
    """The only data set: a segment localizer has one task."""
    return cast(PictureData, next(iter(trainer.datamodule.by_task().values())))  # type: ignore[attr-defined]
