"""Points: the moments of all pyramid levels, each responsible for events of one range of lengths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

UNBOUNDED = 10_000.0
"""Upper end, in snippets, of the coarsest level's regression range."""

Ranges = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Points:
    """P points, levels concatenated from fine to coarse.

    A level of stride s = 2**l has points at 0, s, 2s, … (at the start of its cell, not in the middle).

    Attributes:
        position: time in snippets, (P,) float32.
        lower: smallest distance in snippets that the point regresses, (P,) float32.
        upper: largest distance in snippets that the point regresses, (P,) float32.
        stride: snippets between two points of the level, (P,) float32.
        lengths: number of points per level.
    """

    position: Tensor
    lower: Tensor
    upper: Tensor
    stride: Tensor
    lengths: tuple[int, ...]


def default_ranges(levels: int, first: float = 4.0) -> Ranges:
    """Return regression ranges in snippets that double per level: (0, 4), (4, 8), …, (64, `UNBOUNDED`)."""
    bounds = [0.0, *(first * 2**level for level in range(levels - 1)), UNBOUNDED]
    return tuple(zip(bounds, bounds[1:], strict=False))


def length_with_padding(longest: int, stride: int, most: int) -> int:
    """Return the shortest time axis that leaves one padded step on every level, or `most` where that is shorter.

    Where padding is not inert, convolutions see at one padded step behind a video all that they see of more.

    Args:
        longest: snippets of the longest video.
        stride: of the coarsest level, which the time axis must be a multiple of.
        most: snippets, such a multiple itself.
    """
    return min(most, stride * (-(-longest // stride) + 1))


@lru_cache(maxsize=256)
def pyramid_points(length: int, ranges: Ranges, device: torch.device | None = None, first_stride: int = 1) -> Points:
    """Return the points of a feature pyramid (ActionFormer, Zhang et al., ECCV 2022); the result is cached.

    Args:
        length: padded number of snippets T, a multiple of the coarsest stride 2**(L - 1) * `first_stride`.
        ranges: regression range (lower, upper) in snippets of each of the L levels, fine to coarse; they may overlap.
        device: where the points live.
        first_stride: stride S of the finest level.

    Returns:
        P = T/S + T/(2 S) + … + T/(2**(L - 1) S) points.

    Raises:
        ValueError: if `length` is not a multiple of the coarsest stride.
    """
    strides = [first_stride * 2**level for level in range(len(ranges))]
    if length % strides[-1]:
        raise ValueError(f"{len(ranges)} levels need a multiple of {strides[-1]} snippets, not {length}")
    lengths = tuple(length // stride for stride in strides)
    # the cache outlives a validation's inference mode, and autograd refuses tensors that were made inside one
    with torch.inference_mode(False):
        repeats = torch.tensor(lengths)
        stride = torch.tensor(strides, dtype=torch.float32).repeat_interleave(repeats)
        lower, upper = torch.tensor(ranges, dtype=torch.float32).T.repeat_interleave(repeats, dim=1)
        position = torch.cat([torch.arange(count) for count in lengths]) * stride
        return Points(position.to(device), lower.to(device), upper.to(device), stride.to(device), lengths)
