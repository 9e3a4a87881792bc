"""Learning-rate schedules: linear warm-up, then cosine; and steps down."""

from __future__ import annotations

import math
from functools import partial

from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, MultiStepLR

from avel.training.optim import StepRecipe, build_adam


def warmup_cosine(optimizer: Optimizer, warmup_steps: int, total_steps: int, min_lr: float) -> LambdaLR:
    """Return a schedule to be stepped after every optimizer step (cosine: Loshchilov & Hutter, ICLR 2017).

    As in the released codes of ActionFormer and its successors, the very first learning rate is exactly 0,
    and the base rate is reached with the last step of the warm-up and held for one more. After `total_steps`
    it stays at `min_lr`. Without warm-up the cosine starts with the first step.

    Args:
        optimizer: its groups' rates are the base rates.
        warmup_steps: optimizer steps of the warm-up.
        total_steps: optimizer steps in all.
        min_lr: last learning rate.
    """

    def rate(step: int, base: float) -> float:
        if step < warmup_steps:
            return step / max(warmup_steps - 1, 1)
        progress = min((step - warmup_steps) / max(total_steps - warmup_steps, 1), 1)
        return (min_lr + 0.5 * (base - min_lr) * (1 + math.cos(math.pi * progress))) / base

    return LambdaLR(optimizer, [partial(rate, base=group["lr"]) for group in optimizer.param_groups])


def adam_in_steps(module: nn.Module, recipe: StepRecipe) -> OptimizerLRSchedulerConfig:
    """Return what Lightning trains a module with: Adam, its learning rate falling at the recipe's milestones."""
    optimizer = build_adam(module, recipe)
    scheduler = MultiStepLR(optimizer, list(recipe.milestones), recipe.gamma)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": recipe.interval}}
