"""Exponential moving average of the weights."""

from __future__ import annotations

from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor

from avel.errors import check_choice, check_number


class ExponentialMovingAverage(WeightAveraging):
    """Averages the weights, starting from the initial ones, after every optimizer step.

    `average = decay * average + (1 - decay) * weights` (Polyak & Juditsky, 1992); buffers are copied. An empty batch,
    of a task that rests, makes no step.

    - Validation during training sees the averaged weights unless `validate="raw"`.
    - A checkpoint's `state_dict` holds the averaged weights, its `current_model_state` the raw ones that
      training resumes from.
    - After `fit` the module holds the averaged weights.

    Args:
        decay: share of the old average that an update keeps.
        warmup: keep only (1 + n) / (10 + n) in update n = 1, 2, … as long as that is less than `decay`, so
            that the average soon leaves the initial weights behind. The released codes do not (False).
        validate: what validation sees. The released codes select on "raw" weights, then test averaged ones.

    Raises:
        UserError: an unknown `validate`, or a decay by which nothing, or more than everything, is averaged.
    """

    def __init__(
        self, decay: float = 0.999, warmup: bool = True, validate: Literal["averaged", "raw"] = "averaged"
    ) -> None:
        check_choice("callbacks.average.validate", validate, ("averaged", "raw"))
        check_number("callbacks.average.decay", decay, 0, 1, below=True)
        super().__init__(use_buffers=False, multi_avg_fn=self._update)
        self.decay = decay
        self.warmup = warmup
        self.validate = validate

    @torch.no_grad()
    def _update(self, averages: list[Tensor], weights: list[Tensor], n: Tensor) -> None:
        decay = min(self.decay, (1 + int(n)) / (10 + int(n))) if self.warmup else self.decay
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Copy the initial weights (called by the trainer)."""
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            # counting the initial weights as averaged: the first update would otherwise replace them
            self._average_model.n_averaged.fill_(1)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Update the average if there was anything to learn (called by the trainer)."""
        if len(batch):
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the averaged weights in place (called by the trainer)."""
        if self.validate == "averaged":
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the raw weights back (called by the trainer)."""
        if self.validate == "averaged":
            super().on_validation_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the raw weights in place: checkpoints may still be written (called by the trainer)."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the averaged weights in place for good (called by the trainer)."""
        self._copy_average_to_current(pl_module)
        # a later validate or test would else swap in this average, or load a checkpoint's raw weights
        self._average_model = None

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Restore averaged and raw weights when training resumes (called by the trainer)."""
        if self._average_model is not None:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)
