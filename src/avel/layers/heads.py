"""Classification and regression heads, shared by all pyramid levels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from avel.errors import UserError, check_count, check_number
from avel.floats import at_least_float32, full_precision
from avel.layers.experts import expert, per_task
from avel.layers.levels import JoinedLevels
from avel.layers.masked import ConvStack, MaskedConv1d
from avel.layers.sizes import MOST_LAYERS, check_kernel

EMPTY_PRIOR = 1e-6
"""Probability that an untrained classifier gives to a class without training events."""


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Sizes of both heads.

    Attributes:
        dim: channels of the hidden layers.
        layers: convolutions, the output layer included.
        kernel_size: width of the convolutions.
        norm: LayerNorm behind each hidden convolution.
        class_aware: regress one pair of offsets per class instead of one per point.
        prior: probability that an untrained classifier gives to every class (focal loss needs it small).
        empty_classes: ids of classes that training has no event of; the classifier starts with 1e-6 for them.

    Raises:
        UserError: a size that no head can have, or no probability.
    """

    dim: int = 512
    layers: int = 3
    kernel_size: int = 3
    norm: bool = True
    class_aware: bool = True
    prior: float = 0.01
    empty_classes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_count("method.head.dim", self.dim)
        check_count("method.head.layers", self.layers, most=MOST_LAYERS)
        check_kernel("method.head.kernel_size", self.kernel_size)
        check_number("method.head.prior", self.prior, 0, 1, above=True, below=True)


class ClassificationHead(nn.Module):
    """Scores every point of the pyramid for every class; its last layer never computes in half precision.

    Args:
        in_dim: channels of the pyramid.
        num_classes: classes C.
        config: sizes.

    Raises:
        UserError: an empty class that does not exist.
    """

    def __init__(self, in_dim: int, num_classes: int, config: HeadConfig) -> None:
        super().__init__()
        if not all(0 <= label < num_classes for label in config.empty_classes):
            raise UserError(f"method.head.empty_classes={list(config.empty_classes)}: ids are 0 to {num_classes - 1}")
        dims = [in_dim] + [config.dim] * (config.layers - 1)
        self.kernel_size = config.kernel_size
        self.hidden = ConvStack(dims, config.kernel_size, norm=config.norm)
        self.out = MaskedConv1d(dims[-1], num_classes, config.kernel_size)
        prior = torch.full((num_classes,), config.prior, dtype=torch.float64)
        prior[list(config.empty_classes)] = EMPTY_PRIOR
        self.out.conv.bias = nn.Parameter(prior.logit().float())

    def forward(self, features: list[Tensor], masks: list[Tensor]) -> Tensor:
        """Return logits (B, P, C) of all P points, levels fine to coarse; 0 at padded points."""
        joined = JoinedLevels.of(masks, self.kernel_size)
        hidden, mask = hidden_levels(self.hidden, features, masks, joined)
        with full_precision(hidden.device):
            return torch.cat(joined.split(self.out(at_least_float32(hidden), mask)), dim=1)


class Scale(nn.Module):
    """One learned factor."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Scale a tensor of any shape."""
        return x * self.scale


class RegressionHead(nn.Module):
    """Predicts how far every point is from the start and the end of its event, in units of its level's stride.

    Its last layer never computes in half precision.

    Args:
        in_dim: channels of the pyramid.
        num_classes: classes C; or, where several tasks have an output layer each, the classes of every task, None for
            one that is class-agnostic, whatever `config.class_aware` says.
        levels: pyramid levels, each with its own learned scale.
        config: sizes.
    """

    def __init__(
        self, in_dim: int, num_classes: int | Mapping[str, int | None], levels: int, config: HeadConfig
    ) -> None:
        super().__init__()
        dims = [in_dim] + [config.dim] * (config.layers - 1)
        tasks: tuple[str, ...] = ()
        if isinstance(num_classes, Mapping):
            tasks = tuple(num_classes)
        else:
            num_classes = {"": num_classes if config.class_aware else None}
        self.shapes: dict[str, tuple[int, ...]] = {
            task: (2,) if count is None else (count, 2) for task, count in num_classes.items()
        }
        self.kernel_size = config.kernel_size
        self.hidden = ConvStack(dims, config.kernel_size, norm=config.norm)
        self.out = per_task(
            tasks, lambda task: MaskedConv1d(dims[-1], math.prod(self.shapes[task]), config.kernel_size)
        )
        self.scales = nn.ModuleList(Scale() for _ in range(levels))

    def forward(self, features: list[Tensor], masks: list[Tensor], task: str = "") -> Tensor:
        """Return offsets >= 0, (B, P, C, 2) class-aware or (B, P, 2); 0 at padded points."""
        joined = JoinedLevels.of(masks, self.kernel_size)
        hidden, mask = hidden_levels(self.hidden, features, masks, joined)
        with full_precision(hidden.device):
            levels = joined.split(expert(self.out, task)(at_least_float32(hidden), mask))
            offsets = [scale(x).relu() for scale, x in zip(self.scales, levels, strict=True)]
        return torch.cat(offsets, dim=1).unflatten(2, self.shapes[task])

    @torch.no_grad()
    def replace_classes(self, task: str, like: Tensor) -> None:
        """Let a class-aware task regress other classes: class i as its present class `like[i]`, (C',) int64."""
        conv = cast(MaskedConv1d, expert(self.out, task)).conv
        weight, bias = (rows_of_classes(parameter, like) for parameter in conv.parameters())
        conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(bias)
        conv.out_channels = len(bias)
        self.shapes[task] = (len(like), 2)


def hidden_levels(
    stack: ConvStack, features: list[Tensor], masks: list[Tensor], joined: JoinedLevels
) -> tuple[Tensor, Tensor]:
    """Run the hidden layers of a head over all levels (B, T_l, D) at once; (B, S, hidden) and the mask (B, S)."""
    mask = joined.join(masks)
    return stack(joined.join(features), mask, joined.inside(mask.device)), mask


def rows_of_classes(parameter: Tensor, classes: Tensor) -> Tensor:
    """Take rows of a class-aware output layer: (2 C, ...) for C classes to (2 C', ...), of which i is `classes[i]`."""
    return parameter.unflatten(0, (-1, 2))[classes].flatten(0, 1)
