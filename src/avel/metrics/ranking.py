"""Predictions as average precision visits them: what mAP would be if some of them, or some events, were not there.

A false positive holds no event, and neither does a true positive that is left out together with its event: nobody
else's match changes. So predictions are matched once, and an oracle that repairs mistakes only counts again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from avel.metrics.assignment import matches
from avel.metrics.functional import average_precision
from avel.metrics.tables import Events, Predictions


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """N predictions by class and descending score, and which of E events they find at T thresholds.

    Attributes:
        order: rows of the predictions, (N,).
        labels: classes in that order, (N,), ascending.
        event_labels: classes of the events, (E,).
        num_classes: C.
        found: for each threshold the places of the true positives, ascending, and the rows of their events.
    """

    order: Tensor
    labels: Tensor
    event_labels: Tensor
    num_classes: int
    found: tuple[tuple[Tensor, Tensor], ...]

    @property
    def num_events(self) -> Tensor:
        """Events per class, (C,)."""
        return self.event_labels.bincount(minlength=self.num_classes)

    def at(self, start: int, stop: int | None = None) -> Ranking:
        """Return the same with some of the thresholds."""
        return Ranking(self.order, self.labels, self.event_labels, self.num_classes, self.found[start:stop])

    def is_found(self) -> Tensor:
        """Whether each event is found at each threshold, (T, E) bool."""
        return _mask([event for _, event in self.found], len(self.event_labels))

    def is_right(self) -> Tensor:
        """Whether each prediction is a true positive at each threshold, (T, N) bool, in the order of places."""
        return _mask([place for place, _ in self.found], len(self.order))

    def mean_average_precision(
        self, kept: Tensor | None = None, num_events: Tensor | None = None, weight: Tensor | None = None
    ) -> float:
        """Average AP over thresholds and the classes that have events, NaN where none has.

        Args:
            kept: which predictions count at each threshold, (T, N) bool, in the order of places; None: all.
            num_events: events per threshold and class, (T, C) or (C,); None: all.
            weight: for how many true positives each of a class counts in its precision, (C,); None: for one.
        """
        kept = torch.ones(len(self.found), len(self.order), dtype=torch.bool) if kept is None else kept
        events = (self.num_events if num_events is None else num_events).expand(len(self.found), -1)
        rows = zip(self.found, kept, events, strict=True)
        ap = [self._ap(place, of_row, counts, weight) for (place, _), of_row, counts in rows]
        return float(torch.stack(ap, dim=1).nanmean())

    def _ap(self, place: Tensor, kept: Tensor, num_events: Tensor, weight: Tensor | None) -> Tensor:
        num_predictions = self.labels[kept].bincount(minlength=self.num_classes)
        rank = (kept.cumsum(0) - 1)[place[kept[place]]]
        return average_precision(rank, num_predictions, num_events, weight)


def rank(predictions: Predictions, events: Events, *, num_classes: int, tiou_thresholds: Tensor) -> Ranking:
    """Match predictions with the events that count (`clean_events`) at all thresholds."""
    order, found = matches(predictions, events, num_classes=num_classes, tiou_thresholds=tiou_thresholds)
    return Ranking(order, predictions.labels[order], events.labels, num_classes, tuple(found))


def _mask(rows: list[Tensor], size: int) -> Tensor:
    return torch.stack([torch.zeros(size, dtype=torch.bool).index_fill_(0, row, True) for row in rows])
