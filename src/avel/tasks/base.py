"""What all tasks share: how a method is judged by an epoch over a split, and what its checkpoints say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim import Optimizer

from avel.batch import Batch, ClipBatch
from avel.events import EventTable
from avel.tasks.loading import plain_arguments


class LocalizationData(Protocol):
    """What every task asks of a data module."""

    class_names: list[str]
    selection_split: str
    """Split that validation during training judges, and so chooses the checkpoint by."""


class Evaluation(Protocol):
    """One pass over a split: what was found in which video, and how good it is."""

    def add(self, videos: Sequence[str], found: Any) -> None:
        """Add what `localize` found in some videos."""
        ...

    def gather(self, world_size: int) -> None:
        """Bring what all ranks found together (metrics do so by themselves)."""
        ...

    def score(self) -> tuple[dict[str, float], Tensor]:
        """Return named numbers and the average precision per class and threshold, (C, T), or an empty tensor."""
        ...

    def events(self) -> EventTable:
        """Return what was found, in seconds and class names, videos in the order of their ids."""
        ...


class Recipe(Protocol):
    """What the base needs of an optimizer's recipe."""

    @property
    def clip_norm(self) -> float | None:
        """Largest global L2 norm of the gradient."""
        ...


class Localizer(LightningModule, ABC):
    """A method that localizes events: the frame in which validation, test and prediction run.

    A task inherits from this class, a method from its task. After `validate`, `test` and `predict` the module holds
    `predictions` (an EventTable); after the first two also `results` (name -> number, e.g. "test/map") and `ap` (C, T),
    the average precision per class and tIoU threshold (empty where a task has none). Meanwhile `found` is what
    `localize` returned for the last batch: callbacks look at it, and no trainer keeps it.

    Args:
        recipe: how the method is optimized.
    """

    monitor: ClassVar[str]
    """Name of the score that chooses the checkpoint, e.g. "map": the higher the better."""
    facts: ClassVar[type]
    """What the `facts()` of a data set are that the task can work on: events in long videos, or classes of snippets."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.evaluation: Evaluation | None = None
        self.found: Any = None
        self.results: dict[str, float] = {}
        self.ap = torch.empty(0)

    @abstractmethod
    def localize(self, batch: Any) -> Any:
        """Find the events of a batch."""

    @abstractmethod
    def new_evaluation(self, data: Any, split: str | None) -> Evaluation:
        """Begin an evaluation of a split of `data`; None only collects what is found."""

    @staticmethod
    @abstractmethod
    def baselines(data: Any, split: str) -> dict[str, dict[str, float]]:
        """Score what a result on a split has to beat: name of the baseline -> name of the score -> number."""

    @property
    def predictions(self) -> EventTable:
        """Events of the last validation, test or prediction, videos in the order of their ids."""
        return self.evaluation.events() if self.evaluation else EventTable()

    # Training

    def log_losses(self, total: Tensor, parts: Mapping[str, Tensor], size: int) -> Tensor:
        """Log the loss of a batch of `size` videos, its parts and the learning rate; return the loss."""
        self.log("train/loss", total, prog_bar=True, batch_size=size)
        for name, part in parts.items():
            self.log(f"train/{name}_loss", part, batch_size=size)
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"], prog_bar=True, batch_size=size)
        return total

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the global norm as the recipe says: it belongs to the method, not to the trainer."""
        self.clip_gradients(optimizer, gradient_clip_val=self.recipe.clip_norm, gradient_clip_algorithm="norm")

    # Evaluation

    def validation_step(self, batch: Batch | ClipBatch, batch_idx: int) -> None:
        """Localize and count."""
        self._evaluate(batch)

    def test_step(self, batch: Batch | ClipBatch, batch_idx: int) -> None:
        """Localize and count."""
        self._evaluate(batch)

    def predict_step(self, batch: Batch | ClipBatch, batch_idx: int) -> None:
        """Localize; the events are in `predictions` afterwards."""
        self._evaluate(batch)

    def on_validation_epoch_start(self) -> None:
        """Begin an evaluation."""
        self._begin(self._data.selection_split)

    def on_test_epoch_start(self) -> None:
        """Begin an evaluation."""
        self._begin("test")

    def on_predict_epoch_start(self) -> None:
        """Begin a prediction."""
        self._begin(None)

    def on_validation_epoch_end(self) -> None:
        """Log the scores as `val/…`."""
        self._report("val")

    def on_test_epoch_end(self) -> None:
        """Log the scores as `test/…`."""
        self._report("test")

    def on_predict_epoch_end(self) -> None:
        """Bring together what the ranks found."""
        if self.evaluation:
            self.evaluation.gather(self.trainer.world_size)

    @property
    def _data(self) -> LocalizationData:
        return cast(LocalizationData, self.trainer.datamodule)  # type: ignore[attr-defined]

    def _begin(self, split: str | None) -> None:
        self.evaluation = self.new_evaluation(self._data, split)

    def _evaluate(self, batch: Batch | ClipBatch) -> None:
        if self.evaluation:
            self.found = self.localize(batch)
            self.evaluation.add(batch.videos, self.found)

    def _report(self, prefix: str) -> None:
        if self.evaluation:
            self.evaluation.gather(self.trainer.world_size)
            scores, self.ap = self.evaluation.score()
            self.results = {f"{prefix}/{name}": value for name, value in scores.items()}
            for name, value in self.results.items():
                self.log(name, value, prog_bar=name == f"val/{self.monitor}")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say in plain values what the method is: the file opens with `weights_only=True`."""
        checkpoint["method"] = f"{type(self).__module__}.{type(self).__qualname__}"
        checkpoint["hyper_parameters"] = plain_arguments(self.hparams)
