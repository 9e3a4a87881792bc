"""How methods are optimized: AdamW with weight decay on weights only, and Adam."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from torch import nn
from torch.optim import Adam, AdamW

from avel.errors import UserError, check_choice, check_number


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
        lr_of: learning rates of their own, by the beginning of parameters' names, e.g. "classify.text".
    """

    lr: float = 1e-4
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    warmup_epochs: int = 5
    min_lr: float = 1e-8
    clip_norm: float = 1.0
    lr_of: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("lr", "weight_decay", "eps", "warmup_epochs", "min_lr", "clip_norm")
        values = {name: getattr(self, name) for name in names}
        for name, value in (values | {f"lr_of.{name}": lr for name, lr in self.lr_of.items()}).items():
            check_number(f"method.optimizer.{name}", value)
        for beta in self.betas:
            check_number("method.optimizer.betas", beta, 0, 1, below=True)

    def groups(self) -> list[dict[str, Any]]:
        """Return what AdamW's groups of parameters have: per learning rate one that decays and one that does not."""
        rates = dict.fromkeys((self.lr, *self.lr_of.values()))
        fixed = {"betas": self.betas, "eps": self.eps}
        return [{"lr": lr, "weight_decay": decay, **fixed} for lr in rates for decay in (self.weight_decay, 0.0)]

    def reschedule(self, state: dict[str, Any]) -> float:
        """Do nothing: the schedule is a function, which no checkpoint holds; see `StepRecipe`."""
        return 1.0


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
            check_number(f"method.optimizer.{name}", getattr(self, name))
        check_number("method.optimizer.clip_norm", self.clip_norm, above=True, optional=True)
        counts = self.milestones
        if not isinstance(counts, Sequence) or any(not isinstance(count, int) or count < 1 for count in counts):
            raise UserError(f"method.optimizer.milestones={counts}: give a list of whole numbers from 1 on")

    def groups(self) -> list[dict[str, Any]]:
        """Return what Adam's only group of parameters has."""
        return [{"lr": self.lr, "eps": self.eps}]

    def reschedule(self, state: dict[str, Any]) -> float:
        """Give the milestones to a schedule's state; return what its learning rate is to be multiplied by in return."""
        before = _share(state)
        state |= {"milestones": Counter(self.milestones), "gamma": self.gamma}
        return _share(state) / before if before else 1.0


Recipe = OptimizerRecipe | StepRecipe


def _share(state: Mapping[str, Any]) -> float:
    """Return the share of its base that the rate of a schedule with milestones has."""
    passed = [times for milestone, times in state["milestones"].items() if milestone <= state["last_epoch"]]
    return float(state["gamma"] ** sum(passed))


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
    """Return AdamW (Loshchilov & Hutter, ICLR 2019).

    Group 0 decays, group 1 does not (`decay_groups`); so do two more groups for each further learning rate.

    Raises:
        UserError: `recipe.lr_of` names no parameter.
    """
    named = dict(module.named_parameters())
    for prefix in recipe.lr_of:
        if not any(name.startswith(prefix) for name in named):
            raise UserError(f"method.optimizer.lr_of: no parameter's name begins with {prefix!r}")
    own = {id(p): lr for prefix, lr in recipe.lr_of.items() for name, p in named.items() if name.startswith(prefix)}
    groups = [
        {"params": [p for p in parameters if own.get(id(p), recipe.lr) == options["lr"]], **options}
        for options, parameters in zip(recipe.groups(), cycle(decay_groups(module)), strict=False)
    ]
    return AdamW(groups)


def build_adam(module: nn.Module, recipe: StepRecipe) -> Adam:
    """Return Adam (Kingma & Ba, ICLR 2015) over all trainable parameters, without weight decay."""
    return Adam([p for p in module.parameters() if p.requires_grad], lr=recipe.lr, eps=recipe.eps)


def take_recipe(checkpoint: Mapping[str, Any], recipe: Recipe) -> None:
    """Let a training that is resumed be optimized by its own recipe, at the place where its schedule is.

    (PyTorch restores what the checkpoint was trained with. A checkpoint of the same recipe stays as it is.)

    Args:
        checkpoint: is changed.
        recipe: how the training goes on.
    """
    states = checkpoint.get("optimizer_states", ()), checkpoint.get("lr_schedulers", ())
    for optimizer, schedule in zip(*states, strict=False):
        groups, wanted = optimizer["param_groups"], recipe.groups()
        if len(groups) != len(wanted):
            continue  # of another method, or with other `lr_of`: loading will refuse it
        change = recipe.reschedule(schedule)
        for group, options in zip(groups, wanted, strict=True):
            _take_rate(group, options.pop("lr"), change)
            group.update(options)
        schedule["base_lrs"] = [group["initial_lr"] for group in groups]
        schedule["_last_lr"] = [group["lr"] for group in groups]


def _take_rate(group: dict[str, Any], lr: float, change: float) -> None:
    """Let a group have another base rate; one of 0 says nothing about the place in the schedule, and stays."""
    if group["initial_lr"] and (group["initial_lr"] != lr or change != 1):
        group["lr"] *= lr / group["initial_lr"] * change
        group["initial_lr"] = lr
