"""What counts: rules beyond the definition of average precision on which released evaluators differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from avel.metrics.tables import Events, group_of, ragged_ranges, take


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRules:
    """What an evaluator does beyond the definition of AP; the defaults are the sane choices.

    Attributes:
        duplicate_tolerance: an event is dropped if both its ends lie within so many seconds of an earlier kept
            event of the same video and class; None keeps all.
        min_event_length: events shorter than so many seconds are dropped. A kept event of length 0 counts, but
            cannot be found.
        empty_pairs: a zero-length prediction and a zero-length event (tIoU 0/0) are a "miss", or a "match" at
            every threshold however far apart they lie, as released code sorts NaN first.
        absent_classes: predictions of a class without events do not count ("ignore"), or count for another class
            ("collide"), as released code renumbers only the classes that have events.
        ties: among equal scores (or tIoUs) the row that comes "first" or "later" wins. Released code leaves this
            to an unstable sort.
    """

    duplicate_tolerance: float | None = 1e-3
    min_event_length: float = 0.0
    empty_pairs: Literal["miss", "match"] = "miss"
    absent_classes: Literal["ignore", "collide"] = "ignore"
    ties: Literal["first", "later"] = "first"


DEFAULT_RULES = EvaluationRules()

RELEASED_RULES = {
    "ccnet": EvaluationRules(empty_pairs="match", absent_classes="collide"),
    "actionformer": EvaluationRules(min_event_length=1e-3, absent_classes="collide"),
    "opentad": EvaluationRules(min_event_length=1e-9),
    "activitynet": EvaluationRules(duplicate_tolerance=None, empty_pairs="match"),
}
"""What the released evaluators do; UnAV and UniAV evaluate as CCNet does."""


def clean_events(events: Events, *, num_classes: int, rules: EvaluationRules) -> Events:
    """Drop the events that `rules` does not count; the others keep their order."""
    length = events.segments[:, 1] - events.segments[:, 0]
    events = take(events, (length >= rules.min_event_length).nonzero().squeeze(1))
    if rules.duplicate_tolerance is None:
        return events
    group, order = group_of(events, num_classes).sort(stable=True)
    segments = events.segments[order]
    first = torch.searchsorted(group, group)
    later, earlier = ragged_ranges(first, torch.arange(len(group), device=group.device) - first)
    near = (segments[later] - segments[earlier]).abs().amax(dim=1) <= rules.duplicate_tolerance
    later, earlier = later[near], earlier[near]
    kept = torch.ones_like(group, dtype=torch.bool)
    while True:  # an event whose duplicate was itself dropped comes back; settles as fast as chains are long
        settled = torch.ones_like(kept).index_fill_(0, later[kept[earlier]], False)
        if settled.equal(kept):
            return take(events, order[kept].sort().values)
        kept = settled


def collide(labels: Tensor, num_events: Tensor) -> Tensor:
    """Relabel predictions (N,) as code does that renumbers the classes with events, but leaves the others."""
    present = num_events.nonzero().squeeze(1)
    table = torch.arange(len(num_events), device=labels.device)
    absent = table[(num_events == 0) & (table < len(present))]
    table[absent] = present[absent]
    return table[labels]
