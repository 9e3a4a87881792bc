"""Dense localization: many events of many classes in one untrimmed video."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal, get_args

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from avel.batch import Batch, DensePrediction
from avel.data.class_scores import read_class_scores
from avel.decoding.class_scores import VideoClasses
from avel.decoding.dense import Candidates, DenseDecoder, Detections, merge_windows
from avel.errors import UserError, check_choice
from avel.losses.dense import DenseCriterion, DenseLossConfig, DenseLosses
from avel.segments.points import Points, Ranges, default_ranges, pyramid_points
from avel.segments.targets import assign_targets
from avel.segments.windows import window_starts
from avel.tasks.base import Localizer
from avel.tasks.baselines import dense_baselines
from avel.tasks.evaluation import DenseData, DenseEvaluation
from avel.training.optim import OptimizerRecipe, build_optimizer
from avel.training.schedulers import warmup_cosine

LongVideos = Literal["windows", "whole"]


class DenseLocalizer(Localizer, ABC):
    """Trains, evaluates and predicts with a network that classifies and regresses every point of a temporal pyramid.

    A method inherits from this class, builds its network and implements `forward` and `padded_length`.

    Args:
        num_classes: classes of the data; the network's C is `self.num_classes`, which is 1 where the decoder takes
            classes from elsewhere (`DenseDecoder.class_scores`).
        max_length: snippets that the network is trained on.
        levels: pyramid levels; the coarsest has stride 2**(levels - 1).
        class_aware: whether offsets are regressed per class.
        optimizer: learning rate, its schedule, weight decay and clipping.
        loss: weights and normalization of the losses.
        decoder: thresholds and suppression that turn scores into events.
        first_level: finest level that has points; its stride is 2**first_level.
        ranges: regression range in snippets of each level that has points, None for `default_ranges`.
        long_videos: how videos longer than `max_length` are localized: in overlapping "windows", or each as a "whole",
            alone; `padded_length` must admit its length then.

    Raises:
        UserError: sizes that do not fit together, or an unknown `long_videos`.
    """

    monitor = "map"
    recipe: OptimizerRecipe

    def __init__(
        self,
        num_classes: int,
        max_length: int,
        levels: int,
        class_aware: bool,
        optimizer: OptimizerRecipe | None,
        loss: DenseLossConfig | None,
        decoder: DenseDecoder | None,
        *,
        first_level: int = 0,
        ranges: Ranges | None = None,
        long_videos: LongVideos = "windows",
    ) -> None:
        super().__init__(optimizer or OptimizerRecipe())
        check_choice("method.long_videos", long_videos, get_args(LongVideos))
        self.decoder = decoder or DenseDecoder()
        self.num_classes = 1 if self.decoder.class_scores else num_classes
        self.max_length, self.class_aware, self.long_videos = max_length, class_aware, long_videos
        self.first_stride = 2**first_level
        self.stride = 2 ** (levels - 1)
        if max_length % self.stride:
            raise UserError(
                f"max_length={max_length}: {levels} pyramid levels need a multiple of {self.stride} (data.max_length)"
            )
        remaining = levels - first_level
        if not 0 < remaining <= levels:
            raise UserError(f"first_level={first_level}: there are {levels} pyramid levels, the finest is 0")
        self.ranges: Ranges = tuple(
            (low, high) for low, high in ranges or default_ranges(remaining, 4.0 * self.first_stride)
        )
        if len(self.ranges) != remaining:
            raise UserError(f"{len(self.ranges)} regression ranges for {remaining} pyramid levels: give one for each")
        self.criterion = DenseCriterion(loss or DenseLossConfig())

    @abstractmethod
    def forward(self, batch: Batch) -> DensePrediction:
        """Score and regress all points of a batch whose time axis has an admissible length."""

    @abstractmethod
    def padded_length(self, longest: int) -> int:
        """Admissible length of the time axis for a batch whose longest video has that many snippets."""

    # Training

    def losses(self, batch: Batch) -> DenseLosses:
        """Forward a batch of at most `max_length` snippets and compare it with its events."""
        batch = batch.pad_to(self.padded_length(batch.mask.shape[1]))
        targets = assign_targets(
            self._points(batch),
            batch.segments,
            batch.labels.clamp(max=0) if self.decoder.class_scores else batch.labels,
            num_classes=self.num_classes,
            class_aware=self.class_aware,
            same_class=self.criterion.config.same_class,
            centre_radius=self.criterion.config.centre_radius,
        )
        return self.criterion(self(batch), targets)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch and log its parts."""
        losses = self.losses(batch)
        parts = {"classification": losses.classification, "regression": losses.regression}
        return self.log_losses(losses.total, parts, len(batch))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with a learning rate that changes at every step."""
        optimizer = build_optimizer(self, self.recipe)
        total = int(self.trainer.estimated_stepping_batches)
        self.trainer.fit_loop.setup_data()  # the line above may do without the loaders
        per_epoch = math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)
        warmup = self.recipe.warmup_epochs * per_epoch
        scheduler = warmup_cosine(optimizer, warmup, total, self.recipe.min_lr)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # Localization

    @torch.no_grad()
    def localize(self, batch: Batch) -> list[Detections]:
        """Find the events of B videos of any length, in seconds.

        With `long_videos="windows"` videos longer than `max_length` are seen in windows that overlap by half, at most B
        at a time; their candidates are merged (see `merge_windows`) before suppression runs over the whole video. With
        "whole" each video of a batch that holds a longer one is seen alone: what depends on the length of the batch,
        such as stretched positions, then depends on no other video.
        """
        if batch.mask.shape[1] <= self.max_length:
            candidates = self._candidates(batch)
        else:
            candidates = self._in_windows(batch) if self.long_videos == "windows" else self._one_by_one(batch)
        return self.decoder.detect(candidates, batch.durations, batch.grids)

    def _in_windows(self, batch: Batch) -> Candidates:
        starts = [window_starts(length, self.max_length, self.max_length // 2) for length in batch.lengths.tolist()]
        rows = [row for row, of_row in enumerate(starts) for _ in of_row]
        flat = [start for of_row in starts for start in of_row]
        parts = [
            self._candidates(batch.windows(rows[i : i + len(batch)], flat[i : i + len(batch)], self.max_length))
            for i in range(0, len(rows), len(batch))
        ]
        return merge_windows(parts, starts, self.max_length)

    def _one_by_one(self, batch: Batch) -> Candidates:
        lengths = enumerate(batch.lengths.tolist())
        return Candidates.stack([self._candidates(batch.windows([row], [0], length)) for row, length in lengths])

    def _candidates(self, batch: Batch) -> Candidates:
        batch = batch.pad_to(self.padded_length(batch.mask.shape[1]))
        return self.decoder.candidates(self(batch), self._points(batch))

    def _points(self, batch: Batch) -> Points:
        return pyramid_points(batch.mask.shape[1], self.ranges, batch.mask.device, self.first_stride)

    # Evaluation

    def new_evaluation(self, data: DenseData, split: str | None) -> DenseEvaluation:
        """Begin an evaluation of a split; None only collects detections."""
        path, top_k = self.decoder.class_scores, self.decoder.top_classes
        video_classes = VideoClasses(read_class_scores(path, data.class_names), top_k) if path else None
        return DenseEvaluation(data, split, self.device, video_classes)

    @staticmethod
    def baselines(data: DenseData, split: str) -> dict[str, dict[str, float]]:
        """Score the most frequent classes everywhere."""
        return dense_baselines(data, split)
