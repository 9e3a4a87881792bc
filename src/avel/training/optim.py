"""How methods are optimized: AdamW with weight decay on weights only, and Adam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from torch.optim import Adam, AdamW

from avel.errors import UserError, check_choice


@dataclass(frozen=True, slots=True)
class OptimizerRecipe:
    """How a method is optimized, in plain values.

    Attributes:
        lr: learning rate after the warm-up.
        weight_decay: decoupled weight decay of the weights.
        betas: decay of AdamW's two moments.
        eps: AdamW's denominator term.
        warmup_epochs: epochs of linear warm-up, part of the trainer's epochs.
        min_lr: learning rate at the end of the cosine.
        clip_norm: largest global L2 norm of the gradient.
    """

    lr: float = 1e-4
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    warmup_epochs: int = 5
    min_lr: float = 1e-8
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        for name in ("lr", "weight_decay", "eps", "warmup_epochs", "min_lr", "clip_norm"):
            if not isinstance(value := getattr(self, name), int | float) or value < 0:
                raise UserError(f"method.optimizer.{name}={value}: give a number from 0 on")


@dataclass(frozen=True, slots=True)
class StepRecipe:
    """Adam whose learning rate falls in steps (the AVE papers), in plain values.

    Attributes:
        lr: first learning rate.
        milestones: when the rate is multiplied by `gamma`: after so many epochs or optimizer steps.
        gamma: what it is multiplied by.
        interval: what `milestones` count, "epoch" or "step".
        eps: Adam's denominator term.
        clip_norm: largest global L2 norm of the gradient, None for no limit.
    """

    lr: float = 1e-3
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    interval: str = "epoch"
    eps: float = 1e-8
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        check_choice("method.optimizer.interval", self.interval, ("epoch", "step"))
        for name in ("lr", "gamma", "eps"):
            if not isinstance(value := getattr(self, name), int | float) or value < 0:
                raise UserError(f"method.optimizer.{name}={value}: give a number from 0 on")
        norm = self.clip_norm
        if norm is not None and (not isinstance(norm, int | float) or norm <= 0):
            raise UserError(f"method.optimizer.clip_norm={norm}: give a number above 0, or null")
        counts = self.milestones
        if not isinstance(counts, Sequence) or any(not isinstance(count, int) or count < 1 for count in counts):
            raise UserError(f"method.optimizer.milestones={counts}: give a list of whole numbers from 1 on")


def decay_groups(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split the trainable parameters into those with and those without weight decay, each sorted by name.

    Matrices and convolution kernels (two or more dimensions) decay. Biases of any shape, the weights of norms and
    learnable scales do not. A shared parameter counts once, frozen ones not at all.
    """
    decaying: list[nn.Parameter] = []
    other: list[nn.Parameter] = []
    for name, parameter in sorted(module.named_parameters()):
        if parameter.requires_grad:
            (decaying if parameter.ndim >= 2 and not name.endswith("bias") else other).append(parameter)
    return decaying, other


def build_optimizer(module: nn.Module, recipe: OptimizerRecipe) -> AdamW:
    """Return AdamW (Loshchilov & Hutter, ICLR 2019): group 0 decays, group 1 does not (`decay_groups`)."""
    decaying, other = decay_groups(module)
    groups = [
        {"params": decaying, "weight_decay": recipe.weight_decay},
        {"params": other, "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps)


def build_adam(module: nn.Module, recipe: StepRecipe) -> Adam:
    """Return Adam (Kingma & Ba, ICLR 2015) over all trainable parameters, without weight decay."""
    return Adam([p for p in module.parameters() if p.requires_grad], lr=recipe.lr, eps=recipe.eps)
