"""What all tasks share: how a method is judged by an epoch over a split, and what its checkpoints say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, cast

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim import Optimizer

from avel.batch import Batch, ClipBatch
from avel.errors import UserError
from avel.events import EventTable
from avel.losses.ranks import mean_over_ranks
from avel.tasks.loading import plain_arguments
from avel.tasks.protocols import Evaluation, LocalizationData
from avel.training.non_finite import StepLosses
from avel.training.optim import Recipe, take_recipe
from avel.training.results import flat, mean_defined, score_name


class Localizer(LightningModule, ABC):
    """A method that localizes events: the frame in which validation, test and prediction run.

    A task inherits from this class, a method from its task. Data sets are judged one by one, by the name of the task
    that their batches bear, "" where there is one without a name. After `validate`, `test` and `predict` the module
    holds `tables` (task -> EventTable); after the first two also

    - `scores`: task -> name -> number,
    - `results`: all of them by name, e.g. "test/map"; where tasks have names "test/desed/map", and the score that
      chooses the checkpoint is also there as the mean over the tasks, "test/map",
    - `ap`: task -> average precision per class and tIoU threshold, (C, T), empty where a task has none.

    Meanwhile `found` is what `localize` returned for the last batch, and `step_losses` are those of the last training
    step: callbacks look at them, and no trainer keeps them.

    Args:
        recipe: how the method is optimized.
    """

    monitor: ClassVar[str]
    """Name of the score that chooses the checkpoint, e.g. "map": the higher the better."""
    facts: ClassVar[type]
    """What the `facts()` of a data set are that the task can work on: events in long videos, or classes of snippets."""
    network: ClassVar[str] = "forward"
    """Name of the function that runs the network, which a training may compile."""
    static_shapes = False
    """Whether training batches should all have one shape, as compiled networks want it."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.evaluations: dict[str, Evaluation] = {}
        self.found: Any = None
        self.step_losses: StepLosses | None = None
        self.scores: dict[str, dict[str, float]] = {}
        self.results: dict[str, float] = {}
        self.ap: dict[str, Tensor] = {}

    @abstractmethod
    def localize(self, batch: Any) -> Any:
        """Find the events of a batch."""

    @abstractmethod
    def new_evaluation(self, data: Any, split: str | None, task: str = "") -> Evaluation:
        """Begin an evaluation of a split of a task's `data`; None only collects what is found."""

    @staticmethod
    @abstractmethod
    def baselines(data: Any, split: str) -> dict[str, dict[str, float]]:
        """Score what a result on a split has to beat: name of the baseline -> name of the score -> number."""

    def check_tasks(self, names: Collection[str]) -> None:
        """Refuse data of tasks that the method does not have; most methods have one, whatever the data call it.

        Raises:
            UserError: there are several.
        """
        if len(names) > 1:
            raise UserError(f"the data are of the tasks {', '.join(names)}, but this method has one task: choose one")

    def check_complete(self) -> None:
        """Refuse to begin without a checkpoint where only it could bring what files did not; most methods need none.

        Raises:
            UserError: something is missing.
        """

    @property
    def classes_by_order(self) -> bool:
        """Whether the network knows a class by its number alone: then a checkpoint is for the classes it learned."""
        return True

    @property
    def tables(self) -> dict[str, EventTable]:
        """Events of the last validation, test or prediction by task, videos in the order of their ids."""
        return {task: evaluation.events() for task, evaluation in self.evaluations.items()}

    @property
    def predictions(self) -> EventTable:
        """The only one of the `tables`.

        Raises:
            ValueError: there are several; ids of their videos may coincide, so that they are not joined.
        """
        if len(self.evaluations) > 1:
            raise ValueError(f"there are predictions of the tasks {', '.join(self.evaluations)}: take `tables`")
        return next(iter(self.tables.values()), EventTable())

    # Training

    def log_losses(
        self, total: Tensor, parts: Mapping[str, Tensor], size: int, *, task: str = "", weight: float = 1.0
    ) -> Tensor:
        """Log the loss of a batch of `size` videos, its parts and the learning rate; return the weighted loss.

        Logged are the means over all ranks: what one process with their videos would log.
        That is "train/loss". Loss and parts of a task with a name are logged without its weight, as "train/desed/loss",
        and alone: by turns with others, "train/loss" would be now one task's, now another's.
        """
        loss = weight * total
        of_task = {f"{name}_loss": part for name, part in parts.items()} | {"loss": total if task else loss}
        own = torch.stack([value.detach().float() for value in of_task.values()])
        means = mean_over_ranks(own)
        self.step_losses = StepLosses(tuple(of_task), own, means)
        for name, value in zip(of_task, means, strict=True):
            self.log(score_name("train", task, name), value, batch_size=size)
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"], prog_bar=True, batch_size=size)
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the global norm as the recipe says: it belongs to the method, not to the trainer."""
        self.clip_gradients(optimizer, gradient_clip_val=self.recipe.clip_norm, gradient_clip_algorithm="norm")

    # Evaluation

    def validation_step(self, batch: Batch | ClipBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Localize and count."""
        self._evaluate(batch)

    def test_step(self, batch: Batch | ClipBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Localize and count."""
        self._evaluate(batch)

    def predict_step(self, batch: Batch | ClipBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Localize; the events are in `tables` afterwards."""
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
        for evaluation in self.evaluations.values():
            evaluation.gather(self.trainer.world_size)

    @property
    def _data(self) -> LocalizationData:
        return cast(LocalizationData, self.trainer.datamodule)  # type: ignore[attr-defined]

    def _begin(self, split: str | None) -> None:
        sets = self._data.by_task()
        self.evaluations = {task: self.new_evaluation(data, split, task) for task, data in sets.items()}
        self.scores, self.results, self.ap = {}, {}, {}

    def _evaluate(self, batch: Batch | ClipBatch) -> None:
        if self.evaluations:
            self.found = self.localize(batch)
            self.evaluations[batch.task].add(batch.videos, self.found)

    def _report(self, prefix: str) -> None:
        for task, evaluation in self.evaluations.items():
            evaluation.gather(self.trainer.world_size)
            self.scores[task], self.ap[task] = evaluation.score()
        self.results = flat(prefix, self.scores)
        if self.scores.keys() - {""}:
            self.results[f"{prefix}/{self.monitor}"] = mean_defined(self.scores.values(), self.monitor)
        for name, value in self.results.items():
            self.log(name, value, prog_bar=name == f"val/{self.monitor}")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say in plain values what the method is and what it learned from: the file opens with `weights_only=True`."""
        checkpoint["method"] = f"{type(self).__module__}.{type(self).__qualname__}"
        checkpoint["hyper_parameters"] = plain_arguments(self.hparams)
        if self._trainer is not None and self._data is not None:
            checkpoint["data"] = {task: dict(data.memory()) for task, data in self._data.by_task().items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let a training go on by the recipe, if that is another one now."""
        take_recipe(checkpoint, self.recipe)
