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
    positive = _positive(points, segments, centre_radius) & (labels != NO_EVENT)[:, None]  # (B, P, N)
    if class_aware:
        before = _shorter(segments) if same_class == "shortest" else _later(segments)
        chosen = _undominated(positive, before & (labels[:, :, None] == labels[:, None]))
        labelled = positive
    else:
        chosen = _undominated(positive, _shorter(segments))
        labelled = positive & _as_short_as(chosen, segments)

    multi_hot = segments.new_zeros(*positive.shape[:2], num_classes)
    video, point, event = labelled.nonzero(as_tuple=True)
    multi_hot[video, point, labels[video, event]] = 1

    offsets = segments.new_zeros(*(multi_hot.shape if class_aware else multi_hot.shape[:2]), 2)
    video, point, event = chosen.nonzero(as_tuple=True)
    place = (video, point, labels[video, event]) if class_aware else (video, point)
    offsets[place] = encode_offsets(segments[video, event], points.position[point], points.stride[point])
    return DenseTargets(multi_hot, offsets)


def _positive(points: Points, segments: Tensor, centre_radius: float | None) -> Tensor:
    """Tell which events (B, P, N) each point lies strictly inside, near their centre, and has in its range."""
    start, end = segments[:, None].unbind(dim=-1)  # (B, 1, N)
    position, lower, upper = points.position[:, None], points.lower[:, None], points.upper[:, None]
    farthest = torch.maximum(position - start, end - position)
    if centre_radius is not None:
        centre, reach = 0.5 * (start + end), points.stride[:, None] * centre_radius
        start, end = torch.maximum(start, centre - reach), torch.minimum(end, centre + reach)
    return (position > start) & (position < end) & (farthest >= lower) & (farthest <= upper)


def _shorter(segments: Tensor) -> Tensor:
    """Tell for each pair [b, m, n] whether event m is shorter than n, or as long and annotated before it."""
    length = segments[..., 1] - segments[..., 0]
    difference = length[:, :, None] - length[:, None]
    return (difference < 0) | ((difference == 0) & _later(segments).mT)


def _later(segments: Tensor) -> Tensor:
    """Tell for each pair [m, n] whether event m is annotated after n."""
    order = torch.arange(segments.shape[1], device=segments.device)
    return order[:, None] > order


def _undominated(positive: Tensor, before: Tensor) -> Tensor:
    """Keep those positive events (B, P, N) that have no other positive event `before` (B, N, N) them."""
    return positive & (positive.float() @ before.float() == 0)


def _as_short_as(chosen: Tensor, segments: Tensor) -> Tensor:
    """Tell which events (B, P, N) are as short as the one chosen at the point, up to `SAME_LENGTH`."""
    length = (segments[..., 1] - segments[..., 0])[:, None]  # (B, 1, N)
    return length <= (length * chosen).sum(dim=2, keepdim=True) + SAME_LENGTH
