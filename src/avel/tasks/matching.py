"""Cross-modality localization: an event that is given in one modality is searched in the other."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from avel.batch import ClipBatch
from avel.data.clips import ClipFacts
from avel.decoding.matching import Matches, match_events
from avel.errors import check_count
from avel.losses.contrastive import pair_distance
from avel.tasks.base import Localizer
from avel.tasks.matching_evaluation import MatchingData, MatchingEvaluation, matching_baselines
from avel.training.optim import StepRecipe
from avel.training.schedulers import adam_in_steps


class MatchingLocalizer(Localizer, ABC):
    """Trains, evaluates and predicts with a network that embeds the snippets of both modalities in one space.

    A method inherits from this class, builds its network and implements `embed` and `losses`. What is asked for, where
    the event is in one modality, are the labels of the batch: this task needs them in prediction, too.

    Args:
        num_classes: classes C of events; background is the further class C.
        optimizer: learning rate, its steps and clipping.

    Raises:
        UserError: there is no class.
    """

    monitor = "matching"
    facts = ClipFacts
    network = "embed"
    recipe: StepRecipe

    def __init__(self, num_classes: int, optimizer: StepRecipe | None) -> None:
        super().__init__(optimizer or StepRecipe())
        check_count("method.num_classes", num_classes)
        self.num_classes = num_classes

    @abstractmethod
    def embed(self, batch: ClipBatch) -> tuple[Tensor, Tensor]:
        """Embed the visual and the audio snippets, (B, T, E) each, near to each other if they belong together."""

    @abstractmethod
    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        """Forward a batch and compare it with its labels: name -> weighted loss; their sum is minimized."""

    def training_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """Return the loss of one batch and log its parts."""
        parts = self.losses(batch)
        return self.log_losses(torch.stack([*parts.values()]).sum(), parts, len(batch))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam with a learning rate that falls in steps."""
        return adam_in_steps(self, self.recipe)

    @torch.no_grad()
    def localize(self, batch: ClipBatch) -> Matches:
        """Search the event of each clip, audio to visual and visual to audio, by Euclidean distance."""
        visual, audio = self.embed(batch)
        return match_events(pair_distance(visual[:, :, None], audio[:, None]), batch.labels, self.num_classes)

    def new_evaluation(self, data: MatchingData, split: str | None, task: str = "") -> MatchingEvaluation:
        """Begin an evaluation of a split; None only collects events."""
        return MatchingEvaluation(data, split, self.device)

    @staticmethod
    def baselines(data: MatchingData, split: str) -> dict[str, dict[str, float]]:
        """Score what needs no feature: any window, the first window."""
        return matching_baselines(data, split)
