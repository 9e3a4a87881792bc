"""Dense localization: many events of many classes in one untrimmed video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, get_args

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import Optimizer

from avel.batch import Batch, DensePrediction
from avel.data.class_scores import read_class_scores
from avel.data.dense import DatasetFacts
from avel.decoding.candidates import Candidates, merge_windows
from avel.decoding.class_scores import VideoClasses
from avel.decoding.detections import Detections
from avel.errors import UserError, check_choice
from avel.layers.experts import expert, per_task
from avel.losses.dense import DenseCriterion, DenseLosses
from avel.segments.points import Points, Ranges, default_ranges, pyramid_points
from avel.segments.targets import assign_targets
from avel.segments.windows import window_starts
from avel.tasks.base import Localizer
from avel.tasks.baselines import dense_baselines
from avel.tasks.dense_task import DenseTask
from avel.tasks.evaluation import DenseData, DenseEvaluation
from avel.training.optim import OptimizerRecipe
from avel.training.schedulers import adamw_in_rounds

LongVideos = Literal["windows", "whole"]


class DenseLocalizer(Localizer, ABC):
    """Trains, evaluates and predicts with a network that classifies and regresses every point of a temporal pyramid.

    A method inherits from this class, builds its network and implements `forward` and `padded_length`. Most methods
    have one task and take every batch for it. A method of several tasks treats a batch by the settings of its
    `Batch.task`; each of its tasks has a loss normalizer of its own. `self.num_classes` is the network's C (of all
    tasks together), which is 1 where the decoder takes classes from elsewhere (`DenseDecoder.class_scores`), and
    `self.max_length` that of the longest task.

    Args:
        tasks: the settings of the task, or of several tasks by name.
        levels: pyramid levels; the coarsest has stride 2**(levels - 1).
        optimizer: learning rate, its schedule, weight decay and clipping.
        first_level: finest level that has points; its stride is 2**first_level.
        ranges: regression range in snippets of each level that has points, None for `default_ranges`.
        long_videos: how videos longer than `max_length` are localized: in overlapping "windows", or each as a "whole",
            alone; `padded_length` must admit its length then.

    Raises:
        UserError: sizes that do not fit together, or an unknown `long_videos`.
    """

    monitor = "map"
    facts = DatasetFacts
    recipe: OptimizerRecipe

    def __init__(
        self,
        tasks: DenseTask | Mapping[str, DenseTask],
        levels: int,
        optimizer: OptimizerRecipe | None,
        *,
        first_level: int = 0,
        ranges: Ranges | None = None,
        long_videos: LongVideos = "windows",
    ) -> None:
        super().__init__(optimizer or OptimizerRecipe())
        check_choice("method.long_videos", long_videos, get_args(LongVideos))
        names = () if isinstance(tasks, DenseTask) else tuple(tasks)
        self.tasks = {"": tasks} if isinstance(tasks, DenseTask) else dict(tasks)
        if not self.tasks:
            raise UserError("method.tasks is empty: give at least one task")
        self.num_classes = sum(task.outputs for task in self.tasks.values())
        self.max_length = max(task.max_length for task in self.tasks.values())
        self.long_videos = long_videos
        self.first_stride = 2**first_level
        self.stride = 2 ** (levels - 1)
        for length in (task.max_length for task in self.tasks.values()):
            if length % self.stride:
                raise UserError(
                    f"max_length={length}: {levels} pyramid levels need a multiple of {self.stride} (data.max_length)"
                )
        remaining = levels - first_level
        if not 0 < remaining <= levels:
            raise UserError(f"first_level={first_level}: there are {levels} pyramid levels, the finest is 0")
        self.ranges: Ranges = tuple(
            (low, high) for low, high in ranges or default_ranges(remaining, 4.0 * self.first_stride)
        )
        if len(self.ranges) != remaining:
            raise UserError(f"{len(self.ranges)} regression ranges for {remaining} pyramid levels: give one for each")
        self.criterion = per_task(names, lambda name: DenseCriterion(self.tasks[name].loss))
        self._idle = False

    @property
    def classes_by_order(self) -> bool:
        """Whether the network knows classes at all, and by their numbers: not where decoders take them from files."""
        return not any(task.decoder.class_scores for task in self.tasks.values())

    @abstractmethod
    def forward(self, batch: Batch) -> DensePrediction:
        """Score and regress all points of a batch whose time axis has an admissible length."""

    @abstractmethod
    def padded_length(self, longest: int) -> int:
        """Admissible length of the time axis for a batch whose longest video has that many snippets."""

    def padded(self, batch: Batch) -> Batch:
        """Pad a batch to an admissible length."""
        return batch.pad_to(self.padded_length(batch.mask.shape[1]))

    def task_of(self, batch: Batch) -> str:
        """Name of the task that a batch belongs to; where method or batch has no names, it is the only one.

        Raises:
            UserError: the method has none of that name.
        """
        return self._own(batch.task)

    def check_tasks(self, names: Collection[str]) -> None:
        """Refuse data of tasks that the method does not have."""
        if "" in self.tasks:
            super().check_tasks(names)
        for name in names:
            self._own(name)

    def _own(self, name: str) -> str:
        """The method's name of the task that the data call so."""
        if "" in self.tasks:
            return ""
        if not name and len(self.tasks) == 1:
            return next(iter(self.tasks))
        if name not in self.tasks:
            raise UserError(
                f"the data belong to the task {name!r}, but method.tasks has {', '.join(self.tasks)}: name tasks alike"
                " in data and method"
            )
        return name

    # Training

    def losses(self, batch: Batch) -> DenseLosses:
        """Forward a batch of at most the task's `max_length` snippets and compare it with its events."""
        name = self.task_of(batch)
        task = self.tasks[name]
        batch = batch.pad_to(task.max_length) if self.static_shapes else self.padded(batch)
        targets = assign_targets(
            self._points(batch),
            batch.segments,
            batch.labels.clamp(max=0) if task.decoder.class_scores else batch.labels,
            num_classes=task.outputs,
            class_aware=task.class_aware,
            same_class=task.loss.same_class,
            centre_radius=task.loss.centre_radius,
        )
        losses: DenseLosses = expert(self.criterion, name)(self(batch), targets)
        return losses

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss of one batch and log its parts; 0 for an empty batch, of a task that rests."""
        if not len(batch):
            # a leaf, from which no gradient flows: with several processes Lightning does not take None
            return torch.zeros((), device=self.device, requires_grad=True)
        losses = self.losses(batch)
        parts = {"classification": losses.classification, "regression": losses.regression}
        weight = self.tasks[self.task_of(batch)].weight
        return self.log_losses(losses.total, parts, len(batch), task=batch.task, weight=weight)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with a learning rate that changes after every round: a batch of each task of the data."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        return adamw_in_rounds(self, self.recipe, per_round=len(data.by_task()) if data else 1)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Note whether there is anything to learn from the batch."""
        self._idle = not len(batch)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Make no step for an empty batch: without gradients, the loss scaler of 16-bit training would fail."""
        if self._idle and optimizer_closure:
            optimizer_closure()
        else:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    # Localization

    @torch.no_grad()
    def localize(self, batch: Batch) -> list[Detections]:
        """Find the events of B videos of any length, in seconds.

        With `long_videos="windows"` videos longer than the task's `max_length` are seen in windows that overlap by
        half, at most B at a time; their candidates are merged (see `merge_windows`) before suppression runs over the
        whole video: memory grows with its length by the features alone. With "whole" each video of a batch that holds
        a longer one is seen alone: what depends on the length of the batch, such as stretched positions, then depends
        on no other video.
        """
        task = self.tasks[self.task_of(batch)]
        if batch.mask.shape[1] <= task.max_length:
            candidates = self._candidates(batch)
        elif self.long_videos == "windows":
            candidates = self._in_windows(batch, task.max_length)
        else:
            candidates = self._one_by_one(batch)
        return task.decoder.detect(candidates, batch.durations, batch.grids)

    def _in_windows(self, batch: Batch, size: int) -> Candidates:
        starts = [window_starts(length, size, size // 2) for length in batch.lengths.tolist()]
        rows = [row for row, of_row in enumerate(starts) for _ in of_row]
        flat = [start for of_row in starts for start in of_row]
        parts = (  # of which few are there at a time: of each, the merger drops what its neighbours see better
            self._candidates(batch.windows(rows[i : i + len(batch)], flat[i : i + len(batch)], size))
            for i in range(0, len(rows), len(batch))
        )
        return merge_windows(parts, starts, size)

    def _one_by_one(self, batch: Batch) -> Candidates:
        lengths = enumerate(batch.lengths.tolist())
        return Candidates.stack([self._candidates(batch.windows([row], [0], length)) for row, length in lengths])

    def _candidates(self, batch: Batch) -> Candidates:
        batch = self.padded(batch)
        return self.tasks[self.task_of(batch)].decoder.candidates(self(batch), self._points(batch))

    def _points(self, batch: Batch) -> Points:
        return pyramid_points(batch.mask.shape[1], self.ranges, batch.mask.device, self.first_stride)

    # Evaluation

    def new_evaluation(self, data: DenseData, split: str | None, task: str = "") -> DenseEvaluation:
        """Begin an evaluation of a split of a task's data; None only collects detections."""
        decoder = self.tasks[self._own(task)].decoder
        path, top_k = decoder.class_scores, decoder.top_classes
        video_classes = VideoClasses(read_class_scores(path, data.class_names), top_k) if path else None
        return DenseEvaluation(data, split, self.device, video_classes, task)

    @staticmethod
    def baselines(data: DenseData, split: str) -> dict[str, dict[str, float]]:
        """Score the most frequent classes everywhere."""
        return dense_baselines(data, split)
