"""A loss or gradient that is not finite ends a run at that step, before it reaches the weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import torch
import torch.distributed
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor
from torch.optim import Optimizer

from avel.errors import UserError
from avel.training.files import write_json
from avel.training.first_non_finite import Moment, first_non_finite

CHECKPOINT, RECORD = "before_non_finite.ckpt", "non_finite.json"


@dataclass(frozen=True, slots=True)
class StepLosses:
    """The losses of a training step.

    Attributes:
        names: of the losses, L of them.
        own: those of this process, (L,).
        means: over all processes, (L,): not finite for all of them if it is for one.
    """

    names: tuple[str, ...]
    own: Tensor
    means: Tensor


class Stepping(Protocol):
    """What is asked of a method."""

    step_losses: StepLosses | None


class Rewindable(Protocol):
    """What is asked of the loader that training batches come from."""

    def put_back(self, batches: int) -> None:
        """Count the last batches as not handed out."""
        ...


@dataclass(frozen=True, slots=True)
class Witness:
    """What one process knows of the step.

    Attributes:
        rank: its number.
        videos: ids of the step's videos, batch by batch where gradients are accumulated.
        losses: those of the last batch by name.
        found: the first tensor that is not finite.
    """

    rank: int
    videos: list[list[str]]
    losses: dict[str, float]
    found: str | None


class StopAtNonFinite(Callback):
    """Ends a run at the first step whose loss or gradient is NaN or infinite; numbers that are only large may be.

    The weights stay as they were. The run folder gets `checkpoints/before_non_finite.ckpt`, the state before the step
    that a run can go on from, and `non_finite.json` with the step, its videos and losses. The step is run again to find
    the first tensor that is not finite: a feature, a weight, the output of a module, a gradient. Several processes end
    together, and say which of them it was.

    A step costs one look at its losses, which are the means over the processes that are logged anyway, and one at the
    norm of all gradients (21 ms on a CPU core for the 141 M weights of UnAV). On a GPU, which was not measured, each
    look makes the machine wait for what it has been given to do. With float16, gradients overflow while the loss is
    scaled up, and the step is left out: they count only where the scale has fallen below 1. A loss is not scaled: it
    counts always.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._videos: list[list[str]] = []
        self._names: list[str] = []  # of buffers that checkpoints hold: running numbers, which a step moves
        self._buffers: dict[str, Tensor] = {}
        self._batch: Any = None
        self._batch_idx = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find what a step changes before its end (called by the trainer)."""
        self._names = sorted(pl_module.state_dict().keys() & dict(pl_module.named_buffers()).keys())

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Remember it (called by the trainer)."""
        self._batch, self._batch_idx = batch, batch_idx
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._videos = []
            self._buffers = {name: pl_module.get_buffer(name).clone() for name in self._names}
        self._videos.append(batch.videos)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Look at the losses (called by the trainer)."""
        losses = cast(Stepping, pl_module).step_losses
        if losses and not losses.means.isfinite().all():
            self._stop(trainer, pl_module, "loss")

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Look at the gradients (called by the trainer)."""
        if loss_scale(trainer) >= 1:
            return
        gradients = [weight.grad for weight in pl_module.parameters() if weight.grad is not None]
        if torch.nn.utils.get_total_norm(gradients).isfinite():
            return
        if not all(gradient.isfinite().all() for gradient in gradients):  # else only their squares are too large
            self._stop(trainer, pl_module, "gradient")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Let go of the batch (called by the trainer)."""
        self._batch = None

    def _stop(self, trainer: Trainer, method: LightningModule, moment: Moment) -> None:
        losses = cast(StepLosses, cast(Stepping, method).step_losses)
        place = {"epoch": trainer.current_epoch, "step": trainer.global_step, "task": self._batch.task}
        self._rewind(trainer, method)
        checkpoint = self.folder / "checkpoints" / CHECKPOINT
        trainer.save_checkpoint(checkpoint)  # first of all: to run the step again may fail, e.g. for want of memory
        witnesses = self._witnesses(trainer, method, losses, moment)
        write_json(self.folder / RECORD, place | {"what": moment, "ranks": [asdict(each) for each in witnesses]})
        raise UserError(message(place, moment, witnesses, self.folder / RECORD, checkpoint))

    def _witnesses(
        self, trainer: Trainer, method: LightningModule, losses: StepLosses, moment: Moment
    ) -> list[Witness]:
        """Ask all processes what they know."""
        named = dict(zip(losses.names, losses.own.tolist(), strict=True))
        found = first_non_finite(method, self._batch, lambda: self._again(trainer, method), moment)
        own = Witness(trainer.global_rank, self._videos, named, found)
        if trainer.world_size == 1:
            return [own]
        everyone: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(everyone, own)
        return everyone

    def _again(self, trainer: Trainer, method: LightningModule) -> Tensor:
        """Run the step once more, uncompiled, with the same random numbers where batches are seeded."""
        torch.manual_seed(torch.initial_seed())
        with trainer.precision_plugin.train_step_context(), torch.compiler.set_stance("force_eager"):
            return cast(Tensor, method.training_step(self._batch, self._batch_idx))

    def _rewind(self, trainer: Trainer, method: LightningModule) -> None:
        """Go back to before the first batch of the step."""
        batches = len(self._videos)
        cast(Rewindable, trainer.train_dataloader).put_back(batches)
        loop = trainer.fit_loop.epoch_loop
        progress: Any = loop.batch_progress
        for counts in (progress.total, progress.current):
            counts.completed -= batches - 1  # the last of them has not been completed
            counts.ready = counts.started = counts.processed = counts.completed
        progress.is_last_batch = False
        if progress.current.completed == 0 and loop._should_check_val_epoch():
            loop._batches_that_stepped -= 1  # when it resumes there, Lightning counts a validation as a logged step
        for name, value in self._buffers.items():
            method.get_buffer(name).copy_(value)


def loss_scale(trainer: Trainer) -> float:
    """Return what the loss is multiplied by for float16 gradients; 0 in other precisions."""
    plugin = trainer.precision_plugin
    scaler = plugin.scaler if isinstance(plugin, MixedPrecision) else None
    return scaler.get_scale() if scaler else 0.0


def message(place: Mapping[str, Any], moment: Moment, witnesses: list[Witness], record: Path, checkpoint: Path) -> str:
    """Say what happened, where it began and how to go on."""
    several = len(witnesses) > 1
    found = [f"{each.found}{f' (rank {each.rank})' if several else ''}" for each in witnesses if each.found]
    task = f" of task {place['task']}" if place["task"] else ""
    began = "; ".join(found) or "not found: run again, the step is finite"
    return (
        f"the {moment} is NaN or infinite at step {place['step']} (epoch {place['epoch'] + 1}){task}. First of all:"
        f" {began}\nThe run has stopped before this step, whose videos are in {os.path.relpath(record)}. Go on from"
        f" before it: ckpt_path={os.path.relpath(checkpoint)} with what you change, e.g. a smaller method.optimizer.lr,"
        " or trainer.precision=32-true. Where weights have gone wrong before, that is too late: take an earlier"
        " checkpoint, or begin anew. callbacks.non_finite=null trains on whatever happens"
    )
