"""Non-maximum suppression of time segments, hard and soft, for a batch of videos; and segment voting.

Greedy selection: the best remaining candidate of a class is picked, and the others of its class are decayed (or all
others, if classes do not count). Classes do not touch each other, so all classes of all videos pick at the same time,
and the picks of a video are merged by score and cut to `max_segments`. A class's picks come in descending score: it
stops as soon as its best remaining candidate is worse than the `max_segments` best picks that its video has so far.
Mostly a few rounds do.

Ties are decided by lower label, then lower index. (The released C++ soft-NMS decides them by position after earlier
swaps; results differ where exact ties occur.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from avel.floats import full_precision
from avel.segments.ops import tiou, tiou_from_bounds

VotingWeight = Literal["score", "score_tiou"]

LENGTH_EPSILON = 1e-6
"""Added to the length of segments inside NMS, as the released operators do."""

GONE = -1.0
"""Score of a candidate that is out of the race, and of a pick that does not count; real scores are not negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionRule:
    """How picked segments suppress the others.

    Attributes:
        method: what becomes of the score of a candidate that overlaps a pick by `tiou`:
            "hard": it is dropped if `tiou >= tiou_threshold`;
            "zeroing", "linear": it is multiplied by 0, by `1 - tiou`, if `tiou >= tiou_threshold`;
            "gaussian": it is multiplied by `exp(-tiou^2 / sigma)` (soft-NMS, Bodla et al., ICCV 2017);
            "gated_gaussian": the same, if `tiou >= gate[0] + gate[1] * (length of pick)` (BMN, Lin et al., ICCV 2019).
        per_class: suppress within a class only.
        tiou_threshold: see `method`.
        sigma: see `method`.
        gate: see `method`; the second number is per unit of the segments.
        min_score: "hard" ignores candidates that do not exceed it (0 ignores none). The other methods drop what falls
            below it after a pick, but never the first pick of a class.
        max_segments: picks per video.
    """

    method: Literal["hard", "zeroing", "linear", "gaussian", "gated_gaussian"] = "gaussian"
    per_class: bool = True
    tiou_threshold: float = 0.7
    sigma: float = 0.4
    gate: tuple[float, float] = (0.0, 0.0)
    min_score: float = 0.001
    max_segments: int = 100


@dataclass(frozen=True, slots=True)
class Picks:
    """Picked candidates of B videos in descending score; K is at most `max_segments`.

    Attributes:
        index: their place among the N candidates, (B, K) int64, 0 where not valid.
        scores: their decayed scores, (B, K), 0 where not valid.
        valid: (B, K) bool.
    """

    index: Tensor
    scores: Tensor
    valid: Tensor


@dataclass(frozen=True, slots=True)
class _Groups:
    """Candidates that compete with each other: G groups (a class of a video each) of similar size, filled up to W.

    Attributes:
        group: number of the group, (G,): video * number of classes + class.
        candidate: their place among the N candidates, ascending within the group, (G, W).
        start: (G, W).
        end: (G, W).
        length: (G, W).
        score: after the picks so far, (G, W).
        ceiling: `GONE` for what was picked or fills up, else no less than `score`, (G, W).
    """

    group: Tensor
    candidate: Tensor
    start: Tensor
    end: Tensor
    length: Tensor
    score: Tensor
    ceiling: Tensor

    def keep(self, alive: Tensor) -> _Groups:
        """Drop the groups that are not `alive` (G,)."""
        rows = alive.nonzero().squeeze(1)
        if len(rows) == len(alive):
            return self
        columns = self.group, self.candidate, self.start, self.end, self.length, self.score, self.ceiling
        return _Groups(*(column.index_select(0, rows) for column in columns))

    def pick(self, rule: SuppressionRule) -> tuple[Tensor, Tensor]:
        """Take the best candidate of every group, decay the others, and return its score and place, (G, 1) each."""
        top, place = self.score.max(dim=1, keepdim=True)
        self.ceiling.scatter_(1, place, GONE)
        start, end, length = (bound.gather(1, place) for bound in (self.start, self.end, self.length))
        overlap = tiou_from_bounds(start, end, length, self.start, self.end, self.length)
        if rule.method == "hard":
            self.score.masked_fill_(overlap >= rule.tiou_threshold, GONE)
        else:
            self.score.mul_(_weight(overlap, length, rule))
        torch.minimum(self.score, self.ceiling, out=self.score)
        return top, place


def nms(segments: Tensor, scores: Tensor, labels: Tensor, valid: Tensor, *, rule: SuppressionRule) -> Picks:
    """Pick the best segments of each video and suppress what overlaps them.

    Args:
        segments: (B, N, 2) candidates as (start, end), any unit.
        scores: (B, N), not negative.
        labels: (B, N) int64.
        valid: (B, N) bool, True where there is a candidate.
        rule: how to suppress.

    Returns:
        The picks of each video.
    """
    if rule.method == "hard" and rule.min_score > 0:
        valid = valid & (scores > rule.min_score)
    labels = labels.masked_fill(~valid, 0) if rule.per_class else torch.zeros_like(labels)
    num_labels = int(labels.max()) + 1 if labels.numel() else 1
    kept = scores.new_full((len(scores), num_labels, min(rule.max_segments, scores.shape[1])), GONE)
    index = labels.new_zeros(kept.shape)
    for groups in _group(segments, scores, labels, valid, num_labels):
        _suppress(groups, kept, index, rule)
    return _merge(kept, index)


def _group(segments: Tensor, scores: Tensor, labels: Tensor, valid: Tensor, num_labels: int) -> Iterator[_Groups]:
    """Lay out the valid candidates by video and label, largest groups first, at most four times as wide as needed."""
    place = valid.flatten().nonzero().squeeze(1)
    group = place // scores.shape[1] * num_labels + labels.take(place)
    group, order = group.sort(stable=True)
    place = place[order]
    size = group.bincount(minlength=len(scores) * num_labels)
    first = size.cumsum(0) - size
    magnitude = size.double().log2().div(2).floor()
    for similar in magnitude[size > 0].unique().flip(0):
        groups = (magnitude == similar).nonzero().squeeze(1)
        offset = torch.arange(int(size[groups].max()), device=groups.device)
        gone = offset >= size[groups, None]
        row = place.take((first[groups, None] + offset).masked_fill_(gone, 0))
        start, end = (bound.take(row) for bound in segments.unbind(dim=2))
        score = scores.take(row).masked_fill_(gone, GONE)
        yield _Groups(groups, row % scores.shape[1], start, end, end - start + LENGTH_EPSILON, score, score.clone())


def _suppress(groups: _Groups, kept: Tensor, index: Tensor, rule: SuppressionRule) -> None:
    """Pick in all groups until they have nothing that could be among the best K of their video.

    Args:
        groups: candidates.
        kept: scores of the picks of all groups, in the order of picking, `GONE` where there is none, (B, C, K);
            what is picked is written here.
        index: the candidates picked, (B, C, K); likewise.
        rule: how to suppress.
    """
    _, num_labels, most = kept.shape
    step = 0
    while step < min(most, groups.score.shape[1]):
        worst = kept.flatten(1).topk(most).values[:, -1].clamp(min=rule.min_score if step else 0)
        groups = groups.keep(groups.score.amax(dim=1) >= worst[groups.group // num_labels])
        if not len(groups.group):
            break
        rounds = range(step, min(max(2 * step, 1), most))  # as many as so far, because to look costs as much as a pick
        tops, places = zip(*(groups.pick(rule) for _ in rounds), strict=True)
        score, place = torch.cat(tops, dim=1), torch.cat(places, dim=1)
        later = score if step else score[:, 1:]  # than the first of its class
        later.masked_fill_(later < rule.min_score, GONE)
        kept.flatten(0, 1)[groups.group, rounds.start : rounds.stop] = score
        index.flatten(0, 1)[groups.group, rounds.start : rounds.stop] = groups.candidate.gather(1, place)
        step = rounds.stop


def _merge(kept: Tensor, index: Tensor) -> Picks:
    """Merge the picks (B, C, K) of a video's classes into its best K."""
    most = kept.shape[2]
    scores, order = kept.flatten(1).sort(dim=1, descending=True, stable=True)
    scores, index = scores[:, :most], index.flatten(1).gather(1, order[:, :most])
    valid = scores > GONE
    return Picks(index.masked_fill(~valid, 0), scores.clamp(min=0), valid)


def _weight(overlap: Tensor, length: Tensor, rule: SuppressionRule) -> Tensor:
    """Factors (G, W) of scores after picks that overlap the candidates by `overlap` (G, W) and are `length` (G, 1)."""
    if rule.method == "gaussian":
        return overlap.square_().div_(-rule.sigma).exp_()
    if rule.method == "gated_gaussian":
        near = overlap >= rule.gate[0] + rule.gate[1] * length
        return torch.where(near, overlap.square_().div_(-rule.sigma).exp_(), 1.0)
    weight = 1 - overlap if rule.method == "linear" else torch.zeros_like(overlap)
    return torch.where(overlap >= rule.tiou_threshold, weight, 1.0)


def vote(
    picked: Tensor,
    segments: Tensor,
    scores: Tensor,
    valid: Tensor,
    *,
    tiou_threshold: float,
    weight: VotingWeight = "score",
) -> Tensor:
    """Replace picked segments by the weighted mean of all candidates that overlap them.

    A picked segment without voters (its length is 0) stays as it is.

    Args:
        picked: (B, K, 2) segments that NMS picked.
        segments: (B, N, 2) all candidates, of any class.
        scores: (B, N) their scores before NMS.
        valid: (B, N) bool.
        tiou_threshold: tIoU from which a candidate votes.
        weight: weight by "score" (UnAV, UniAV, CCNet) or by "score_tiou", score times tIoU (ActionFormer).

    Returns:
        (B, K, 2) segments.
    """
    overlap = tiou(picked, segments)
    weights = scores[:, None] * (overlap if weight == "score_tiou" else 1)
    weights = weights.masked_fill((overlap < tiou_threshold) | ~valid[:, None], 0)
    total = weights.sum(dim=-1, keepdim=True)
    with full_precision(segments.device):
        return torch.where(total > 0, weights @ segments / total, picked)
