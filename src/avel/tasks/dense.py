"""Dense localization: many events of many classes in one untrimmed video."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from avel.batch import Batch, DensePrediction
from avel.decoding.dense import Candidates, DenseDecoder, Detections, merge_windows
from avel.errors import UserError
from avel.losses.dense import DenseCriterion, DenseLossConfig, DenseLosses
from avel.segments.points import default_ranges, pyramid_points
from avel.segments.targets import assign_targets
from avel.segments.windows import window_starts
from avel.tasks.base import Localizer
from avel.tasks.baselines import dense_baselines
from avel.tasks.evaluation import DenseData, DenseEvaluation
from avel.training.optim import OptimizerRecipe, build_optimizer
from avel.training.schedulers import warmup_cosine


class DenseLocalizer(Localizer, ABC):
    """Trains, evaluates and predicts with a network that classifies and regresses every point of a temporal pyramid.

    A method inherits from this class, builds its network and implements `forward` and `padded_length`.

    Args:
        num_classes: classes C.
        max_length: snippets that the network takes at once; longer videos are localized in overlapping windows.
        levels: pyramid levels.
        class_aware: whether offsets are regressed per class.
        optimizer: learning rate, its schedule, weight decay and clipping.
        loss: weights and normalization of the losses.
        decoder: thresholds and suppression that turn scores into events.
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
    ) -> None:
        super().__init__(optimizer or OptimizerRecipe())
        self.num_classes, self.max_length, self.class_aware = num_classes, max_length, class_aware
        self.stride = 2 ** (levels - 1)
        if max_length % self.stride:
            raise UserError(
                f"max_length={max_length}: {levels} pyramid levels need a multiple of {self.stride} (data.max_length)"
            )
        self.ranges = default_ranges(levels)
        self.criterion = DenseCriterion(loss or DenseLossConfig())
        self.decoder = decoder or DenseDecoder()

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
        points = pyramid_points(batch.mask.shape[1], self.ranges, batch.mask.device)
        targets = assign_targets(
            points,
            batch.segments,
            batch.labels,
            num_classes=self.num_classes,
            class_aware=self.class_aware,
            same_class=self.criterion.config.same_class,
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

        Videos longer than `max_length` are seen in windows that overlap by half, at most B at a time; their candidates
        are merged (see `merge_windows`) before suppression runs over the whole video.
        """
        if batch.mask.shape[1] <= self.max_length:
            candidates = self._candidates(batch)
        else:
            lengths = batch.lengths.tolist()
            starts = [window_starts(length, self.max_length, self.max_length // 2) for length in lengths]
            rows = [row for row, of_row in enumerate(starts) for _ in of_row]
            flat = [start for of_row in starts for start in of_row]
            parts = [
                self._candidates(batch.windows(rows[i : i + len(batch)], flat[i : i + len(batch)], self.max_length))
                for i in range(0, len(rows), len(batch))
            ]
            candidates = merge_windows(parts, starts, self.max_length)
        return self.decoder.detect(candidates, batch.durations, batch.grids)

    def _candidates(self, batch: Batch) -> Candidates:
        batch = batch.pad_to(self.padded_length(batch.mask.shape[1]))
        points = pyramid_points(batch.mask.shape[1], self.ranges, batch.mask.device)
        return self.decoder.candidates(self(batch), points)

    # Evaluation

    def new_evaluation(self, data: DenseData, split: str | None) -> DenseEvaluation:
        """Begin an evaluation of a split; None only collects detections."""
        return DenseEvaluation(data, split, self.device)

    @staticmethod
    def baselines(data: DenseData, split: str) -> dict[str, dict[str, float]]:
        """Score the most frequent classes everywhere."""
        return dense_baselines(data, split)
