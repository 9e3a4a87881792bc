"""Non-maximum suppression of time segments, hard and soft, for a batch of videos; and segment voting.

Greedy selection: the best remaining candidate of the video is picked, and the others of its class are decayed (or all
others, if classes do not count). Picks of one class come in descending score, so picking over all classes at once gives
what running class by class, merging by score and cutting to `max_segments` gives, in `max_segments` steps. A step
touches one class of each video only, because the candidates lie grouped by class and each group knows its best.

Ties are decided by lower label, then lower index. (The released C++ soft-NMS decides them by position after earlier
swaps; results differ where exact ties occur.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from avel.floats import full_precision
from avel.segments.ops import tiou, tiou_from_bounds

VotingWeight = Literal["score", "score_tiou"]

LENGTH_EPSILON = 1e-6
"""Added to the length of segments inside NMS, as the released operators do."""

GONE = -1.0
"""Score of a candidate that was picked or dropped; real scores are not negative."""


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
    """Candidates that compete with each other, side by side in flat tables of R rows and one row that fills up.

    Per row: `candidate`, `start`, `end`, `length`, `score` (R + 1,). Per group (B, G): its `first` row, its `size`, the
    row of its best candidate `head` and that one's score `best`.
    """

    candidate: Tensor
    start: Tensor
    end: Tensor
    length: Tensor
    score: Tensor
    first: Tensor
    size: Tensor
    head: Tensor
    best: Tensor


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
    groups = _group(segments, scores, labels if rule.per_class else torch.zeros_like(labels), valid)
    steps = min(rule.max_segments, scores.shape[1])
    picked = groups.head.new_full((len(scores), steps), len(groups.score) - 1)
    kept = scores.new_full((len(scores), steps), GONE)
    offset = torch.arange(int(groups.size.max()) if len(scores) else 0, device=scores.device)
    for step in range(steps):
        top, group = groups.best.max(dim=1, keepdim=True)
        if not (top > GONE).any():
            break
        picked[:, step], kept[:, step] = _pick(groups, group, offset, rule)[:, 0], top[:, 0]
    valid = kept > GONE
    return Picks(groups.candidate[picked].masked_fill(~valid, 0), kept.clamp(min=0), valid)


def _group(segments: Tensor, scores: Tensor, labels: Tensor, valid: Tensor) -> _Groups:
    """Lay the valid candidates side by side, by video, label and index."""
    video, candidate = valid.nonzero(as_tuple=True)
    num_labels = int(labels[valid].max()) + 1 if len(video) else 1
    group, order = (video * num_labels + labels[valid]).sort(stable=True)
    start, end = pad(segments[valid][order].T, (0, 1))
    score = scores[valid][order]
    size = group.bincount(minlength=len(scores) * num_labels)
    best = score.new_full(size.shape, GONE).scatter_reduce_(0, group, score, "amax")
    is_best = (score == best[group]).nonzero().squeeze(1)
    head = size.new_full(size.shape, len(score)).scatter_reduce_(0, group[is_best], is_best, "amin")
    per_video = (len(scores), num_labels)
    return _Groups(
        candidate=pad(candidate[order], (0, 1)),
        start=start,
        end=end,
        length=end - start + LENGTH_EPSILON,
        score=pad(score, (0, 1), value=GONE),
        first=(size.cumsum(0) - size).view(per_video),
        size=size.view(per_video),
        head=head.view(per_video),
        best=best.view(per_video),
    )


def _pick(groups: _Groups, group: Tensor, offset: Tensor, rule: SuppressionRule) -> Tensor:
    """Take the best of `group` (B, 1) in each video, decay the rest of the group, and return the row taken (B, 1)."""
    pick = groups.head.gather(1, group)
    groups.score[pick] = GONE
    row = groups.first.gather(1, group) + offset
    row = torch.where(offset < groups.size.gather(1, group), row, len(groups.score) - 1)
    bounds = (groups.start, groups.end, groups.length)
    overlap = tiou_from_bounds(*(bound.take(pick) for bound in bounds), *(bound.take(row) for bound in bounds))
    rest = _decay(groups.score.take(row), overlap, groups.length.take(pick), rule)
    groups.score.scatter_(0, row.flatten(), rest.flatten())
    best, place = rest.max(dim=1, keepdim=True)
    groups.best.scatter_(1, group, best)
    groups.head.scatter_(1, group, row.gather(1, place))
    return pick


def _decay(scores: Tensor, overlap: Tensor, length: Tensor, rule: SuppressionRule) -> Tensor:
    """Scores (B, N) after a pick that overlaps the candidates by `overlap` (B, N) and is `length` (B, 1) long."""
    if rule.method == "hard":
        return scores.masked_fill_(overlap >= rule.tiou_threshold, GONE)
    if rule.method == "gaussian":
        weight = overlap.square().div_(-rule.sigma).exp_()
    elif rule.method == "gated_gaussian":
        near = overlap >= rule.gate[0] + rule.gate[1] * length
        weight = torch.where(near, overlap.square().div_(-rule.sigma).exp_(), 1.0)
    else:
        weight = 1 - overlap if rule.method == "linear" else torch.zeros_like(overlap)
        weight = torch.where(overlap >= rule.tiou_threshold, weight, 1.0)
    decayed = scores * weight
    return decayed.masked_fill_((scores < 0) | (decayed < rule.min_score), GONE)


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
