"""How well events do by what they are like: length, coverage, number of instances, overlap with other classes.

The first three are characteristics of DETAD (Alwassel et al., ECCV 2018), with bins that fit any data set. As there,
AP by bin is normalized (AP_N; Hoiem et al., ECCV 2012): precision, and with it AP, depends on how many events there are
to find, which differs from bin to bin. With recall R after some predictions of a class, F false positives among them,
and N the same number for all classes and bins,

    precision_N = R * N / (R * N + F).

N is the mean number of events of the classes that have events. Only events of the bin count; predictions that find
other events are neither right nor wrong, while those that find none are wrong in every bin. AP_N is averaged over
thresholds and the classes with events in the bin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from avel.metrics.ranking import Ranking
from avel.metrics.tables import Events, group_of, lexsort, same_video

QUANTILES = (0.2, 0.4, 0.6, 0.8)
"""Where the range of a quantity is divided, before ends are rounded to two digits."""

LEAST_OVERLAP = 1e-9
"""Share of an event; below it, there is none."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Events that are alike.

    Attributes:
        label: for readers.
        low: of the quantity, inclusive.
        high: exclusive; infinite in the last bin.
        events: how many, at least one.
        missed: share of them that no prediction gets at the profile's tIoU threshold.
        map: normalized AP, averaged over classes and all thresholds of the grid.
    """

    label: str
    low: float
    high: float
    events: int
    missed: float
    map: float


@dataclass(frozen=True, slots=True)
class Characteristic:
    """How well events do by one quantity.

    Attributes:
        name: "length" in seconds, "coverage" of the video (a share), "instances" of the class in the video, or
            "overlap", the share of the event that lies under events of other classes.
        bins: in ascending order, those that have events.
    """

    name: str
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """A quantity, its value for each event (E,), the ends of its bins (K + 1,) and their labels."""

    name: str
    values: Tensor
    ends: Sequence[float]
    labels: Sequence[str]


def characteristics(grid: Ranking, events: Events, durations: Tensor, missed: Tensor) -> tuple[Characteristic, ...]:
    """Judge events by what they are like.

    Args:
        grid: predictions matched with the events.
        events: those that count.
        durations: of the videos in seconds, (V,).
        missed: the events that no prediction gets, (E,) bool.

    Returns:
        `length`, `coverage`, `instances` and `overlap`; nothing where there are no events.
    """
    if len(events.labels) == 0:
        return ()
    length = events.segments[:, 1] - events.segments[:, 0]
    coverage = length / durations[events.videos]
    _, group, size = group_of(events, grid.num_classes).unique(return_inverse=True, return_counts=True)
    scales = (
        _by_quantiles("length", length, 1, " s"),
        _by_quantiles("coverage", coverage, 100, " %"),
        _Scale("instances", size[group].double(), (1.0, 2.0, 4.0, 9.0, math.inf), ("1", "2-3", "4-8", "> 8")),
        _Scale("overlap", overlap(events), (0.0, LEAST_OVERLAP, 0.5, math.inf), ("none", "< 50 %", "≥ 50 %")),
    )
    return tuple(Characteristic(scale.name, _bins(scale, grid, missed)) for scale in scales)


def normalized(grid: Ranking, num_events: Tensor, kept: Tensor | None = None) -> float:
    """Average normalized AP over thresholds and classes.

    Args:
        grid: predictions matched with all events.
        num_events: how many events of each class count, (C,).
        kept: which predictions count at each threshold, (T, N) bool, in the order of places; None: all.
    """
    usual = grid.num_events[grid.num_events > 0].double().mean()
    return grid.mean_average_precision(kept, num_events, usual / num_events)


def overlap(events: Events) -> Tensor:
    """Share of each event that lies under events of other classes, in [0, 1], (E,)."""
    event, other = same_video(events.videos, events.videos)
    differ = (events.labels[event] != events.labels[other]).nonzero().squeeze(1)
    event, other = event[differ], other[differ]
    start, end = events.segments.unbind(dim=1)
    length = (end - start)[event].clamp(min=torch.finfo(torch.float64).tiny)
    # what others cover, as shares of the event, one event behind the other on one line
    covered = ((events.segments[other] - start[event, None]) / length[:, None]).clamp(0, 1)
    order = lexsort(event, covered[:, 0])
    event, covered = event[order], covered[order] + 2 * event[order, None]
    reached = torch.cat([covered.new_zeros(1), covered[:, 1].cummax(dim=0).values])[:-1]
    new = (covered[:, 1] - torch.maximum(covered[:, 0], reached)).clamp(min=0)
    return torch.zeros_like(start).scatter_add_(0, event, new).round(decimals=9)  # exact shares stay exact


def _by_quantiles(name: str, values: Tensor, factor: float, unit: str) -> _Scale:
    """Divide a quantity where it is readable, with about as many events in each bin."""
    quantiles = values.quantile(torch.tensor(QUANTILES, dtype=values.dtype), interpolation="nearest").tolist()
    inner = sorted({float(f"{value:.2g}") for value in quantiles} - {0.0})
    shown = [f"{float(f'{factor * end:.3g}'):g}" for end in inner]  # 3600, not 3.6e+03
    between = [f"{low}-{high}{unit}" for low, high in pairwise(shown)]
    labels = [f"< {shown[0]}{unit}", *between, f"≥ {shown[-1]}{unit}"] if inner else ["all"]
    return _Scale(name, values, (0.0, *inner, math.inf), labels)


def _bins(scale: _Scale, grid: Ranking, missed: Tensor) -> tuple[Bin, ...]:
    place = torch.bucketize(scale.values, torch.tensor(scale.ends[1:-1], dtype=torch.float64), right=True)
    parts = (
        (place == number, *part) for number, part in enumerate(zip(scale.labels, pairwise(scale.ends), strict=True))
    )
    return tuple(
        Bin(label, *ends, int(inside.sum()), float(missed[inside].double().mean()), _sensitivity(grid, inside))
        for inside, label, ends in parts
        if inside.any()
    )


def _sensitivity(grid: Ranking, inside: Tensor) -> float:
    """Normalized AP where only some events count, (E,) bool."""
    kept = torch.ones(len(grid.found), len(grid.order), dtype=torch.bool)
    for row, (place, event) in zip(kept, grid.found, strict=True):
        row[place] = inside[event]
    num_events = grid.event_labels[inside].bincount(minlength=grid.num_classes)
    return normalized(grid, num_events, kept)
