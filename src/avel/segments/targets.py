"""Target assignment: which points answer for which events, and the two distances that they regress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from avel.batch import NO_EVENT
from avel.segments.points import Points

SameClass = Literal["shortest", "last"]

SAME_LENGTH = 1e-3
"""Snippets by which an event may be longer and still count as short as the shortest (class-agnostic)."""


@dataclass(frozen=True, slots=True)
class DenseTargets:
    """What a dense localizer shall predict at B videos' P points.

    Attributes:
        labels: multi-hot classes, (B, P, C) float32.
        offsets: distances (left, right) to start and end in units of the level's stride, float32, class-aware
            (B, P, C, 2) or class-agnostic (B, P, 2); zero where there is no event.
    """

    labels: Tensor
    offsets: Tensor


def encode_offsets(segments: Tensor, position: Tensor, stride: Tensor) -> Tensor:
    """Return the distances (left, right), in strides, from points to the start and end of segments.

    Args:
        segments: (start, end) in snippets, (…, 2).
        position: times of the points in snippets; broadcasts with `segments[..., 0]`.
        stride: strides of the points; broadcasts like `position`.

    Returns:
        (…, 2), both non-negative if the point lies in its segment.
    """
    left, right = position - segments[..., 0], segments[..., 1] - position
    return torch.stack((left, right), dim=-1) / stride[..., None]


def decode_offsets(offsets: Tensor, position: Tensor, stride: Tensor) -> Tensor:
    """Return the segments (start, end) in snippets, (…, 2), whose `encode_offsets` are `offsets` (…, 2)."""
    start = position - offsets[..., 0] * stride
    end = position + offsets[..., 1] * stride
    return torch.stack((start, end), dim=-1)


def assign_targets(
    points: Points,
    segments: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    class_aware: bool,
    same_class: SameClass = "shortest",
    centre_radius: float | None = None,
) -> DenseTargets:
    """Assign events to points (ActionFormer, ECCV 2022; class-aware offsets: UnAV, CVPR 2023).

    A point is positive for an event if it lies strictly inside and its larger distance to start and end is
    within the point's regression range, both ends included. Where it is positive for several events,

    - class-aware: it carries all their labels and, per class, the offsets of one event (`same_class` says of
      which one if several share the class);
    - class-agnostic: it carries the offsets of the shortest and the labels of all that are as short.

    Args:
        points: the P points.
        segments: (start, end) in snippets, (B, N, 2).
        labels: class ids, (B, N), `NO_EVENT` behind a video's last event.
        num_classes: number of classes C.
        class_aware: whether offsets are regressed per class.
        same_class: among events of one class at one point, "shortest" takes the shortest (the first annotated
            if equally long), as the papers say; "last" takes the last annotated, as the released codes of
            UnAV and CCNet do. Class-agnostic targets always take the shortest.
        centre_radius: strides of its level by which a positive point may be away from the middle of its event; None
            lets all points in the event answer for it.

    Returns:
        Targets for all points, padded ones included.
    """
    segments = segments.masked_fill((labels == NO_EVENT)[..., None], torch.nan)  # compares as false
    video, event, point = _positive(points, segments, centre_radius).nonzero(as_tuple=True)  # R of the B x N x P
    label, place = labels[video, event], video * len(points.position) + point
    multi_hot = segments.new_zeros(len(segments), len(points.position), num_classes)
    offsets = segments.new_zeros(*(multi_hot.shape if class_aware else multi_hot.shape[:2]), 2)
    flat_offsets = offsets.flatten(0, -2)

    slot = place * num_classes + label if class_aware else place  # takes the offsets of one event
    length = segments[..., 1] - segments[..., 0]
    turn = _turn(length, same_class if class_aware else "shortest")[video, event]
    chosen = (turn == _least_of_slot(turn, slot)).nonzero().squeeze(1)
    encoded = encode_offsets(segments[video, event], points.position[point], points.stride[point])
    flat_offsets[slot[chosen]] = encoded[chosen]

    if not class_aware:
        length = length[video, event]
        shortest = _least_of_slot(length, slot)
        labelled = (length <= shortest + SAME_LENGTH).nonzero().squeeze(1)
        place, label = place[labelled], label[labelled]
    multi_hot.flatten(0, 1)[place, label] = 1
    return DenseTargets(multi_hot, offsets)


def _positive(points: Points, segments: Tensor, centre_radius: float | None) -> Tensor:
    """Tell which points lie strictly inside each event, near its centre, and have it in their range, (B, N, P)."""
    start, end = segments[..., None].unbind(dim=2)  # (B, N, 1)
    left, right = points.position - start, end - points.position
    farthest = torch.maximum(left, right)
    in_range = farthest.clamp(points.lower, points.upper) == farthest
    if centre_radius is not None:
        centre, reach = 0.5 * (start + end), points.stride * centre_radius
        left = points.position - torch.maximum(start, centre - reach)
        right = torch.minimum(end, centre + reach) - points.position
    return in_range & (torch.minimum(left, right) > 0)


def _turn(length: Tensor, same_class: SameClass) -> Tensor:
    """Tell when it is the turn of each event (B, N) of a video, 0 first; the first at a point is taken."""
    if same_class == "last":
        return torch.arange(length.shape[1], device=length.device).flip(0).expand_as(length)
    return length.argsort(dim=1, stable=True).argsort(dim=1)


def _least_of_slot(values: Tensor, slot: Tensor) -> Tensor:
    """For each of R values the least of those that share its slot, (R,)."""
    _, group = slot.unique(return_inverse=True)  # few of many slots: memory for all would cost more than the rest
    return torch.empty_like(values).scatter_reduce_(0, group, values, "amin", include_self=False)[group]
