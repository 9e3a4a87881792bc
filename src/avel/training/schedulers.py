"""Learning-rate schedules: linear warm-up, then cosine; and steps down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, MultiStepLR

from avel.training.optim import OptimizerRecipe, StepRecipe, build_adam, build_optimizer


@dataclass(frozen=True, slots=True)
class ScheduleSteps:
    """How often Lightning steps a schedule.

    Attributes:
        frequency: training batches from one step to the next, as Lightning calls it.
        per_epoch: steps in an epoch.
        total: steps in the whole training.
    """

    frequency: int
    per_epoch: int
    total: int

    @classmethod
    def of(cls, trainer: Trainer, per_round: int) -> ScheduleSteps:
        """Count the steps of a schedule that changes after every round of `per_round` batches.

        Lightning counts anew in every epoch, and makes a step only where an optimizer step is due: after every batch,
        after every `accumulate_grad_batches` and after the last one. Where an epoch is limited to less than a round,
        its end counts as one; other rounds that are cut short do not count.
        """
        optimizer_steps = int(trainer.estimated_stepping_batches)
        trainer.fit_loop.setup_data()  # the line above may do without the loaders
        batches, accumulated = int(trainer.num_training_batches), trainer.accumulate_grad_batches
        frequency = min(per_round, batches)
        distance = math.lcm(frequency, accumulated)
        at_the_end = batches % frequency == 0 and batches % distance != 0
        per_epoch = batches // distance + at_the_end
        epochs, rest = divmod(optimizer_steps, math.ceil(batches / accumulated))
        return cls(frequency, per_epoch, epochs * per_epoch + rest * accumulated // distance)


def warmup_cosine(optimizer: Optimizer, warmup_steps: int, total_steps: int, min_lr: float) -> LambdaLR:
    """Return a schedule (cosine: Loshchilov & Hutter, ICLR 2017).

    As in the released codes of ActionFormer and its successors, the very first learning rate is exactly 0,
    and the base rate is reached with the last step of the warm-up and held for one more. After `total_steps`
    it stays at `min_lr`. Without warm-up the cosine starts with the first step.

    A step of the schedule belongs to an optimizer step or, where several tasks are trained by turns, to a round of
    them (UniAV). A base rate of 0 stays 0.

    Args:
        optimizer: its groups' rates are the base rates.
        warmup_steps: steps of the warm-up.
        total_steps: steps in all.
        min_lr: last learning rate.
    """

    def rate(step: int, base: float) -> float:
        if step < warmup_steps:
            return step / max(warmup_steps - 1, 1)
        progress = min((step - warmup_steps) / max(total_steps - warmup_steps, 1), 1)
        return (min_lr + 0.5 * (base - min_lr) * (1 + math.cos(math.pi * progress))) / (base or 1.0)

    return LambdaLR(optimizer, [partial(rate, base=group["lr"]) for group in optimizer.param_groups])


def adamw_in_rounds(module: LightningModule, recipe: OptimizerRecipe, per_round: int) -> OptimizerLRSchedulerConfig:
    """Return what Lightning trains a module with: AdamW, its learning rate changing every `per_round` batches."""
    optimizer = build_optimizer(module, recipe)
    steps = ScheduleSteps.of(module.trainer, per_round)
    scheduler = warmup_cosine(optimizer, recipe.warmup_epochs * steps.per_epoch, steps.total, recipe.min_lr)
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": scheduler, "interval": "step", "frequency": steps.frequency},
    }


def adam_in_steps(module: nn.Module, recipe: StepRecipe) -> OptimizerLRSchedulerConfig:
    """Return what Lightning trains a module with: Adam, its learning rate falling at the recipe's milestones."""
    optimizer = build_adam(module, recipe)
    scheduler = MultiStepLR(optimizer, list(recipe.milestones), recipe.gamma)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": recipe.interval}}
