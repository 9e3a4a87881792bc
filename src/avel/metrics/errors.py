"""Where a method fails: its mistakes by kind (`avel.metrics.error_kinds`), and what each kind costs.

What a kind costs is the mAP, over the whole grid of thresholds, that is gained when its predictions are left out, at
each threshold those that are of this kind there. Costs do not add up: mistakes hide each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from avel.errors import UserError
from avel.metrics.characteristics import Characteristic, characteristics, normalized
from avel.metrics.error_kinds import KINDS, LEAST_TIOU, kinds_by_place
from avel.metrics.one_sided import SIDES, ModalityErrors, OneSided, lies_on
from avel.metrics.ranking import Ranking, rank
from avel.metrics.rules import DEFAULT_RULES, clean_events
from avel.metrics.tables import Events, Predictions, rank_within


@dataclass(frozen=True, slots=True)
class FalsePositives:
    """The false positives of one kind.

    Attributes:
        kind: one of `KINDS`.
        count: how many, among the predictions that are counted (`ErrorProfile.top`).
        share: of the predictions that are counted, in [0, 1]; NaN where none is.
        cost: mAP that is gained without them, in [0, 1].
        total: how many among all predictions.
    """

    kind: str
    count: int
    share: float
    cost: float
    total: int


@dataclass(frozen=True, slots=True)
class Missed:
    """The events that no prediction gets.

    Attributes:
        count: how many.
        share: of all events, in [0, 1]; NaN where there are none.
        cost: mAP that is gained when the missed events are dropped from the annotations, at each threshold those that
            are missed there, as TIDE does; classes that lose all events drop out of the mean. 1 - mAP where all
            events of all classes are missed.
    """

    count: int
    share: float
    cost: float


@dataclass(frozen=True, slots=True)
class ErrorProfile:
    """Where a method fails.

    Attributes:
        tiou_threshold: at which predictions and events are counted.
        top: of each class so many times as many predictions as it has events are counted, the surest; None: all.
        map: of all predictions over the whole grid, as the metric says; NaN where there are no events.
        map_normalized: the same of normalized AP, the level of `Bin.map` (see `avel.metrics.characteristics`).
        true_positives: how many, among the predictions that are counted.
        predictions: how many are counted: the true positives and the false positives of all kinds.
        total: how many there are.
        false_positives: one for each of `KINDS`.
        missed: events that no prediction gets.
        characteristics: how well events do by what they are like.
        modality: one for each of `SIDES`, or nothing where annotations do not tell.
    """

    tiou_threshold: float
    top: float | None
    map: float
    map_normalized: float
    true_positives: int
    predictions: int
    total: int
    false_positives: tuple[FalsePositives, ...]
    missed: Missed
    characteristics: tuple[Characteristic, ...]
    modality: tuple[ModalityErrors, ...] = ()


def analyse(
    predictions: Predictions,
    events: Events,
    *,
    num_classes: int,
    tiou_thresholds: Tensor,
    tiou_threshold: float = 0.5,
    durations: Tensor,
    one_sided: OneSided | None = None,
    top: float | None = 10,
) -> ErrorProfile:
    """Find out where a method fails.

    Args:
        predictions: rows in any order.
        events: rows in any order.
        num_classes: C; labels lie in [0, C).
        tiou_thresholds: grid of the mAP, (T,) float64 in (0, 1].
        tiou_threshold: at which predictions and events are counted, on the grid or not.
        durations: of the videos in seconds, (V,); videos are numbered below V.
        one_sided: spans that are only heard or only seen, None where annotations do not tell.
        top: of each class so many times as many predictions as it has events are counted, the surest, as DETAD does;
            None counts all. The mAP and all costs are of all predictions.

    Raises:
        UserError: `tiou_threshold` or `top` is out of range.
    """
    if not 0 < tiou_threshold <= 1:
        raise UserError(f"tiou_threshold={tiou_threshold}: give a number above 0 and up to 1")
    if top is not None and not top > 0:
        raise UserError(f"top={top}: give a positive number, or none to count all predictions")
    events = clean_events(events, num_classes=num_classes, rules=DEFAULT_RULES)
    thresholds = torch.cat([tiou_thresholds, tiou_thresholds.new_tensor([tiou_threshold])])
    ranking = rank(predictions, events, num_classes=num_classes, tiou_thresholds=thresholds)
    kinds = kinds_by_place(ranking, predictions, events, thresholds, LEAST_TIOU)
    grid, missed = ranking.at(0, -1), ~ranking.at(-1).is_found()[0]
    baseline, counted = grid.mean_average_precision(), _counted(ranking, top)
    mistakes = _Mistakes(grid, kinds, counted, baseline)
    return ErrorProfile(
        tiou_threshold=tiou_threshold,
        top=top,
        map=baseline,
        map_normalized=normalized(grid, grid.num_events),
        true_positives=int((kinds[-1, counted] == -1).sum()),
        predictions=int(counted.sum()),
        total=len(counted),
        false_positives=tuple(mistakes.of_kind(kind) for kind in range(len(KINDS))),
        missed=_missed(grid, missed, baseline),
        characteristics=characteristics(grid, events, durations, missed),
        modality=() if one_sided is None else mistakes.by_side(predictions, one_sided),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Mistakes:
    """False positives by kind (T + 1, N), which of them are counted (N,), and the mAP with all of them."""

    grid: Ranking
    kinds: Tensor
    counted: Tensor
    baseline: float

    def of_kind(self, kind: int) -> FalsePositives:
        wrong = self.kinds == kind
        return FalsePositives(KINDS[kind], *self._weigh(wrong), total=int(wrong[-1].sum()))

    def by_side(self, predictions: Predictions, one_sided: OneSided) -> tuple[ModalityErrors, ...]:
        unmatched = (self.kinds == KINDS.index("localization")) | (self.kinds == KINDS.index("background"))
        found = []
        for number, side in enumerate(SIDES):
            spans = one_sided.of_side(number)
            wrong = unmatched & lies_on(predictions, spans)[self.grid.order]
            found.append(ModalityErrors(side, len(spans.labels), *self._weigh(wrong)))
        return tuple(found)

    def _weigh(self, wrong: Tensor) -> tuple[int, float, float]:
        """Return count, share and cost of the predictions that are wrong at each threshold, (T + 1, N)."""
        count = int((wrong[-1] & self.counted).sum())
        cost = self.grid.mean_average_precision(kept=~wrong[:-1]) - self.baseline
        return count, _share(count, int(self.counted.sum())), cost


def _counted(ranking: Ranking, top: float | None) -> Tensor:
    """Which predictions are counted, (N,) bool, in the order of places."""
    if top is None:
        return torch.ones_like(ranking.labels, dtype=torch.bool)
    return rank_within(ranking.labels) < top * ranking.num_events.double()[ranking.labels]


def _missed(grid: Ranking, missed: Tensor, baseline: float) -> Missed:
    found = [grid.event_labels[event].bincount(minlength=grid.num_classes) for _, event in grid.found]
    without = grid.mean_average_precision(num_events=torch.stack(found))
    best = 1.0 if math.isnan(without) else without  # nothing is left to be missed
    return Missed(int(missed.sum()), _share(int(missed.sum()), len(missed)), best - baseline)


def _share(count: int, whole: int) -> float:
    return count / whole if whole else math.nan
