"""UniAV: one model for visual actions, sound events and audio-visual events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from avel.batch import Batch, DensePrediction
from avel.checkpoints.vocabulary import Vocabulary, adapt_classes, leave_out_tasks
from avel.data.prompts import read_prompts
from avel.errors import UserError, check_choice
from avel.layers.heads import HeadConfig, RegressionHead
from avel.layers.prompts import PromptClassifier
from avel.layers.pyramid import AudioVisualPyramid, PyramidConfig
from avel.segments.points import length_with_padding
from avel.tasks.dense import DenseLocalizer
from avel.tasks.dense_task import DenseTask
from avel.tasks.loading import plain_arguments
from avel.training.optim import OptimizerRecipe

Positions = Literal["prefix", "whole_table_in_eval"]

ONE_PEACE_DIM = 1536
"""Width of the published prompts."""


class UniAV(DenseLocalizer):
    """Localizes events of several tasks, which teach each other.

    Geng et al., "UniAV: Unified Audio-Visual Perception for Multi-Task Video Event Localization", arXiv 2404.03179.

    UnAV's pyramid, without its dependency block: all tasks share the attention, each has one LayerNorm and MLP of its
    own in every block. A class is told by the text embedding of a sentence: all tasks share the classifier, too, and
    classes can be others than in training (`set_prompts`). Each task regresses with an output layer of its own.

    Prompts are part of a checkpoint; their files are read at construction only, and may be missing where a checkpoint
    brings them. As in UnAV, padding is not inert, and one padded step per level reproduces the padding of the released
    code.

    Args:
        visual_dim: width of the visual features.
        audio_dim: width of the audio features.
        prompt_dim: width of the prompts' text embeddings; None: that of the tasks' files, 1536 without any.
        tasks: what is to be localized, by the names that batches bear in `Batch.task`.
        pyramid: sizes of the pyramid.
        head: sizes of the heads; whether offsets are class-aware is up to the task.
        positions: "prefix": step t has position t, always. "whole_table_in_eval" repeats the released code: evaluation
            pads to the task's `max_length` and compresses the table of positions, which is as long as the longest
            task, to that length, so that shorter tasks see other positions than in training.
        optimizer: learning rate, its schedule, weight decay and clipping.

    Raises:
        UserError: an unknown option, sizes that do not fit together, or prompts that cannot be read or do not fit.
    """

    def __init__(
        self,
        *,
        visual_dim: int,
        audio_dim: int,
        tasks: Mapping[str, DenseTask],
        prompt_dim: int | None = None,
        pyramid: PyramidConfig | None = None,
        head: HeadConfig | None = None,
        positions: Positions = "prefix",
        optimizer: OptimizerRecipe | None = None,
    ) -> None:
        check_choice("method.positions", positions, get_args(Positions))
        pyramid, head = pyramid or PyramidConfig(), head or HeadConfig()
        prompts = {
            name: read_prompts(task.prompts, task.class_names or (), task.prompt_classes)
            for name, task in tasks.items()
            if task.prompts is not None and Path(task.prompts).exists()
        }
        prompt_dim = prompt_dim or next((of_task.shape[1] for of_task in prompts.values()), ONE_PEACE_DIM)
        super().__init__(tasks, pyramid.levels, optimizer)
        self.save_hyperparameters(logger=False)
        self.positions, width = positions, 2 * pyramid.dim
        for name, task in tasks.items():
            if task.decoder.class_scores:
                raise UserError(f"method.tasks.{name}.decoder.class_scores: UniAV classifies by prompts, give null")
        self.pyramid = AudioVisualPyramid(visual_dim, audio_dim, self.max_length, pyramid, tasks=tuple(tasks))
        classes = {name: task.num_classes for name, task in tasks.items()}
        self.classify = PromptClassifier(width, prompt_dim, classes, head)
        regressed = {name: task.num_classes if task.class_aware else None for name, task in tasks.items()}
        self.regress = RegressionHead(width, regressed, pyramid.levels, head)
        for name, of_task in prompts.items():
            shape, wanted = tuple(of_task.shape), (classes[name], prompt_dim)
            if shape != wanted:
                raise UserError(f"{tasks[name].prompts}: prompts of shape {shape}, wanted {wanted}, one row per class")
            self.classify.set_prompts(name, of_task)

    def forward(self, batch: Batch) -> DensePrediction:
        """Score and regress every point of the pyramid over a batch of padded length T."""
        task, length = self.task_of(batch), batch.mask.shape[1]
        whole_table = self._released_positions and length >= self.tasks[task].max_length
        features, masks = self.pyramid(batch.visual, batch.audio, batch.mask, task, whole_table=whole_table)
        logits, offsets = self.classify(features, masks, task), self.regress(features, masks, task)
        return DensePrediction(logits, offsets, torch.cat(masks, dim=1))

    @property
    def _released_positions(self) -> bool:
        return self.positions == "whole_table_in_eval" and not self.training

    def padded(self, batch: Batch) -> Batch:
        """Pad to the shortest time axis that leaves one padded step on every level, at most the task's `max_length`."""
        return batch.pad_to(self.padded_length(batch.mask.shape[1], self.task_of(batch)))

    def padded_length(self, longest: int, task: str = "") -> int:
        """Admissible length of the time axis, by default for the longest task."""
        limit = self.tasks[task].max_length if task else self.max_length
        if self._released_positions:
            return limit
        return length_with_padding(longest, self.stride, limit)

    # Classes

    @property
    def classes_by_order(self) -> bool:
        """No: prompts say which they are, see `adapt_classes`."""
        return False

    def vocabulary(self, task: str) -> Vocabulary:
        """Prompts and names of a task's classes."""
        return Vocabulary(self.classify.prompts(task), tuple(self.tasks[task].class_names or ()))

    @torch.no_grad()
    def set_prompts(self, task: str, prompts: Tensor, class_names: Sequence[str] = ()) -> None:
        """Let a task find other classes than before: those of `prompts`, in the order of its new class ids.

        A task whose offsets are class-aware regresses a class as before if a present one has its name, else as the one
        of the present classes whose prompt is most similar.

        Args:
            task: its name.
            prompts: text embeddings (C', prompt_dim), of the encoder that the method was trained with.
            class_names: the new names of all classes, () if they have none.

        Raises:
            UserError: there is no such task, or the prompts have another width or number than the names.
        """
        if task not in self.tasks:
            raise UserError(f"there is no task {task!r}, the method has {', '.join(self.tasks)}")
        present, new = self.vocabulary(task), Vocabulary(prompts, tuple(class_names))
        if prompts.dim() != 2 or prompts.shape[1] != present.prompts.shape[1]:
            wanted = present.prompts.shape[1]
            raise UserError(f"prompts of {task}: shape {tuple(prompts.shape)}, wanted (classes, {wanted})")
        changed = replace(self.tasks[task], num_classes=len(prompts), class_names=new.names)
        if changed.class_aware:
            self.regress.replace_classes(task, new.likes(present))
        self.classify.set_prompts(task, prompts)
        self.tasks[task] = changed

    def check_complete(self) -> None:
        """Refuse to begin without prompts.

        Raises:
            UserError: neither file nor checkpoint brought those of a task.
        """
        for name, task in self.tasks.items():
            if not self.classify.prompts(name).any():
                if task.prompts is not None:
                    read_prompts(task.prompts)
                raise UserError(f"method.tasks.{name}.prompts is missing: give a .npy file with one row per class")

    def on_fit_start(self) -> None:
        """Refuse to train a task that has no prompts."""
        self.check_complete()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Describe the tasks as they are now: their prompts are among the weights, so no file is needed again."""
        super().on_save_checkpoint(checkpoint)
        tasks = {name: replace(task, prompts=None, prompt_classes=None) for name, task in self.tasks.items()}
        checkpoint["hyper_parameters"]["tasks"] = plain_arguments(tasks)
        checkpoint["hyper_parameters"]["prompt_dim"] = self.classify.prompt_dim

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make the classes of a checkpoint ours, see `adapt_classes`; training goes on with the same classes only.

        Evaluation and prediction may do with fewer tasks.
        """
        super().on_load_checkpoint(checkpoint)
        resumes = self._trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        if not resumes:
            leave_out_tasks(checkpoint, self.tasks.keys())
        adapt_classes(checkpoint, {name: self.vocabulary(name) for name in self.tasks}, resumes=resumes)
        projection = checkpoint["state_dict"].get("classify.text.weight")
        if projection is not None:  # else of another method, which loading will refuse
            self.classify.set_prompt_dim(projection.shape[1])
