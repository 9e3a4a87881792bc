"""Segment-level localization: one class, or background, for every snippet of a short video."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from avel.batch import ClipBatch, ClipPrediction
from avel.data.clips import ClipFacts
from avel.errors import check_count
from avel.tasks.base import Localizer
from avel.tasks.baselines import segment_baselines
from avel.tasks.segment_evaluation import SegmentData, SegmentEvaluation
from avel.training.optim import StepRecipe
from avel.training.schedulers import adam_in_steps


class SegmentLocalizer(Localizer, ABC):
    """Trains, evaluates and predicts with a network that classifies every snippet of a clip.

    A method inherits from this class, builds its network and implements `losses` and `decide`.

    Args:
        num_classes: classes C of events; background is the further class C.
        optimizer: learning rate, its steps and clipping.

    Raises:
        UserError: there is no class.
    """

    monitor = "accuracy"
    facts = ClipFacts
    recipe: StepRecipe

    def __init__(self, num_classes: int, optimizer: StepRecipe | None) -> None:
        super().__init__(optimizer or StepRecipe())
        check_count("method.num_classes", num_classes)
        self.num_classes = num_classes

    @abstractmethod
    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Forward a batch and compare it with its labels: name -> weighted loss; their sum is minimized."""

    @abstractmethod
    def decide(self, batch: ClipBatch) -> ClipPrediction:
        """Forward a batch and decide as the paper does."""

    def training_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """Return the loss of one batch and log its parts."""
        parts = self.losses(batch)
        return self.log_losses(torch.stack([*parts.values()]).sum(), parts, len(batch))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam with a learning rate that falls in steps."""
        return adam_in_steps(self, self.recipe)

    @torch.no_grad()
    def localize(self, batch: ClipBatch) -> ClipPrediction:
        """Decide about every snippet of B clips."""
        return self.decide(batch)

    def new_evaluation(self, data: SegmentData, split: str | None, task: str = "") -> SegmentEvaluation:
        """Begin an evaluation of a split; None only collects events."""
        return SegmentEvaluation(data, split, self.device)

    @staticmethod
    def baselines(data: SegmentData, split: str) -> dict[str, dict[str, float]]:
        """Score what needs no feature: background everywhere, the true class everywhere."""
        return segment_baselines(data, split)
