"""AdamW with weight decay on weights only."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.optim import AdamW

from avel.errors import UserError


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


def decay_groups(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split the trainable parameters into those with and those without weight decay, each sorted by name.

    Matrices and convolution kernels (two or more dimensions) decay. Vectors and scalars do not: biases, the
    weights of norms, learnable scales. A shared parameter counts once, frozen ones not at all.
    """
    parameters = [p for _, p in sorted(module.named_parameters()) if p.requires_grad]
    return [p for p in parameters if p.ndim >= 2], [p for p in parameters if p.ndim < 2]


def build_optimizer(module: nn.Module, recipe: OptimizerRecipe) -> AdamW:
    """Return AdamW (Loshchilov & Hutter, ICLR 2019): group 0 decays, group 1 does not (`decay_groups`)."""
    decaying, other = decay_groups(module)
    groups = [
        {"params": decaying, "weight_decay": recipe.weight_decay},
        {"params": other, "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps)
