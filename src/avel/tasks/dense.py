"""Dense localization: many events of many classes in one untrimmed video."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, cast

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import Optimizer

from avel.batch import Batch, DensePrediction
from avel.decoding.dense import Candidates, DenseDecoder, Detections, merge_windows
from avel.errors import UserError
from avel.events import EventTable
from avel.losses.dense import DenseCriterion, DenseLossConfig, DenseLosses
from avel.segments.points import default_ranges, pyramid_points
from avel.segments.targets import assign_targets
from avel.segments.windows import window_starts
from avel.tasks.evaluation import DenseData, DenseEvaluation
from avel.tasks.loading import plain_arguments
from avel.training.optim import OptimizerRecipe, build_optimizer
from avel.training.schedulers import warmup_cosine


class DenseLocalizer(LightningModule, ABC):
    """Trains, evaluates and predicts with a network that classifies and regresses every point of a temporal pyramid.

    A method inherits from this class, builds its network and implements `forward` and `padded_length`.

    After `validate`, `test` and `predict` the module holds `predictions` (an EventTable); after the first two also
    `results` (name -> number) and `ap` (C, T), the average precision per class and tIoU threshold.

    Args:
        num_classes: classes C.
        max_length: snippets that the network takes at once; longer videos are localized in overlapping windows.
        levels: pyramid levels.
        class_aware: whether offsets are regressed per class.
        optimizer: learning rate, its schedule, weight decay and clipping.
        loss: weights and normalization of the losses.
        decoder: thresholds and suppression that turn scores into events.
    """

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
        super().__init__()
        self.num_classes, self.max_length, self.class_aware = num_classes, max_length, class_aware
        self.stride = 2 ** (levels - 1)
        if max_length % self.stride:
            raise UserError(
                f"max_length={max_length}: {levels} pyramid levels need a multiple of {self.stride} (data.max_length)"
            )
        self.ranges = default_ranges(levels)
        self.recipe = optimizer or OptimizerRecipe()
        self.criterion = DenseCriterion(loss or DenseLossConfig())
        self.decoder = decoder or DenseDecoder()
        self.evaluation: DenseEvaluation | None = None
        self.results: dict[str, float] = {}
        self.ap = torch.empty(0)

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
        self.log("train/loss", losses.total, prog_bar=True, batch_size=len(batch))
        self.log("train/classification_loss", losses.classification, batch_size=len(batch))
        self.log("train/regression_loss", losses.regression, batch_size=len(batch))
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"], prog_bar=True, batch_size=len(batch))
        return losses.total

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with a learning rate that changes at every step."""
        optimizer = build_optimizer(self, self.recipe)
        total = int(self.trainer.estimated_stepping_batches)
        self.trainer.fit_loop.setup_data()  # the line above may do without the loaders
        per_epoch = math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)
        warmup = self.recipe.warmup_epochs * per_epoch
        scheduler = warmup_cosine(optimizer, warmup, total, self.recipe.min_lr)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the global norm as the recipe says: it belongs to the method, not to the trainer."""
        self.clip_gradients(optimizer, gradient_clip_val=self.recipe.clip_norm, gradient_clip_algorithm="norm")

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

    @property
    def predictions(self) -> EventTable:
        """Events of the last validation, test or prediction, videos in the order of their ids."""
        return self.evaluation.events() if self.evaluation else EventTable()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Localize and count."""
        self._evaluate(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Localize and count."""
        self._evaluate(batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> None:
        """Localize; the events are in `predictions` afterwards."""
        self._evaluate(batch)

    def on_validation_epoch_start(self) -> None:
        """Begin an evaluation."""
        self._begin("validation")

    def on_test_epoch_start(self) -> None:
        """Begin an evaluation."""
        self._begin("test")

    def on_predict_epoch_start(self) -> None:
        """Begin a prediction."""
        self._begin(None)

    def on_validation_epoch_end(self) -> None:
        """Log `val/map`, `val/map@0.10` and so on."""
        self._report("val")

    def on_test_epoch_end(self) -> None:
        """Log `test/map`, `test/map@0.10` and so on."""
        self._report("test")

    def on_predict_epoch_end(self) -> None:
        """Bring the ranks' detections together."""
        if self.evaluation:
            self.evaluation.gather(self.trainer.world_size)

    def _begin(self, split: str | None) -> None:
        data = cast(DenseData, self.trainer.datamodule)  # type: ignore[attr-defined]
        self.evaluation = DenseEvaluation(data, split, self.device)

    def _evaluate(self, batch: Batch) -> None:
        if self.evaluation:
            self.evaluation.add(batch.videos, self.localize(batch))

    def _report(self, prefix: str) -> None:
        if self.evaluation:
            self.evaluation.gather(self.trainer.world_size)
            scores, self.ap = self.evaluation.score()
            self.results = {f"{prefix}/{name}": value for name, value in scores.items()}
            for name, value in self.results.items():
                self.log(name, value, prog_bar=name == "val/map")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say in plain values what the method is: the file opens with `weights_only=True`."""
        checkpoint["method"] = f"{type(self).__module__}.{type(self).__qualname__}"
        checkpoint["hyper_parameters"] = plain_arguments(self.hparams)
