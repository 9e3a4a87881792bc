"""Decoding of dense predictions: points -> candidates (snippets) -> suppression -> detections (seconds)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from avel.batch import DensePrediction, TimeGrid
from avel.decoding.candidates import Candidates
from avel.decoding.detections import Detections
from avel.errors import check_choice, check_count, check_number
from avel.segments.nms import SuppressionRule, VotingWeight, nms, vote
from avel.segments.points import Points
from avel.segments.targets import decode_offsets

Suppression = Literal["soft", "hard", "none"]


@dataclass(frozen=True, slots=True)
class DenseDecoder:
    """Turns a network's output into detections (Zhang et al., ActionFormer, ECCV 2022).

    Attributes:
        pre_nms_threshold: a candidate's probability must be above.
        pre_nms_topk: candidates kept per pyramid level and video.
        min_length: a candidate's length in snippets must be above.
        nms: "soft" (Gaussian), "hard" or "none": all candidates in their order, whatever `min_score` and `max_events`.
        per_class: suppress within classes; otherwise over all classes together.
        sigma: width of soft-NMS: an overlap multiplies a score by exp(-tIoU^2 / sigma).
        iou_threshold: overlap from which hard NMS removes.
        min_score: detections that fall below are dropped.
        max_events: detections kept per video.
        voting_threshold: with `per_class=False`, each kept segment becomes the score-weighted mean of all candidates
            with at least that tIoU; 0 switches voting off.
        voting_weight: what else weighs a vote: "score", or "score_tiou": score times tIoU (ActionFormer).
        class_scores: JSON file with the class scores of whole videos (see `avel.data.class_scores`): the network finds
            events of any class, each of which is reported for the video's `top_classes`. None: the network classifies.
        top_classes: see `class_scores`.

    Raises:
        UserError: an unknown choice, or a number outside of its range.
    """

    pre_nms_threshold: float = 0.001
    pre_nms_topk: int = 2000
    min_length: float = 0.05
    nms: Suppression = "soft"
    per_class: bool = True
    sigma: float = 0.4
    iou_threshold: float = 0.7
    min_score: float = 0.001
    max_events: int = 100
    voting_threshold: float = 0.75
    voting_weight: VotingWeight = "score"
    class_scores: str | None = None
    top_classes: int = 2

    def __post_init__(self) -> None:
        check_choice("method.decoder.nms", self.nms, get_args(Suppression))
        check_choice("method.decoder.voting_weight", self.voting_weight, get_args(VotingWeight))
        for name in ("pre_nms_threshold", "iou_threshold", "min_score", "voting_threshold"):
            check_number(f"method.decoder.{name}", getattr(self, name), 0, 1)
        for name in ("pre_nms_topk", "max_events", "top_classes"):
            check_count(f"method.decoder.{name}", getattr(self, name))
        check_number("method.decoder.min_length", self.min_length)
        check_number("method.decoder.sigma", self.sigma, above=True)

    def candidates(self, prediction: DensePrediction, points: Points) -> Candidates:
        """Select the candidates of every level by score and place them on the snippet axis.

        Args:
            prediction: P points of B videos.
            points: the same points.

        Returns:
            Levels fine to coarse, within a level by descending score.
        """
        classes = prediction.logits.shape[2]
        probabilities = prediction.logits.float().sigmoid() * prediction.mask[..., None]  # (B, P, C)
        parts, first = [], 0
        for count in points.lengths:
            level = probabilities[:, first : first + count].flatten(1)  # (B, count * C), point-major
            scores, index = level.topk(min(self.pre_nms_topk, level.shape[1]), dim=1)
            point, label = index // classes + first, index % classes
            segments = decode_offsets(
                _gather(prediction.offsets, point, label), points.position[point], points.stride[point]
            )
            long_enough = segments[..., 1] - segments[..., 0] > self.min_length
            parts.append(Candidates(segments, scores, label, (scores > self.pre_nms_threshold) & long_enough))
            first += count
        return Candidates.concat(parts).compact()

    def detect(self, candidates: Candidates, durations: Tensor, grids: Sequence[TimeGrid]) -> list[Detections]:
        """Suppress candidates and convert what is left to seconds within the video.

        Args:
            candidates: of B videos.
            durations: length of each video in seconds, (B,).
            grids: time grid of each video.

        Returns:
            Detections of each video, best first (with `nms="none"` in the order of the candidates).
        """
        segments, scores, labels, valid = self._suppress(candidates).fields()
        detections = []
        for row, (grid, duration) in enumerate(zip(grids, durations, strict=True)):
            keep = valid[row]
            # in float64, or rounding could end an event behind its video
            seconds = grid.to_seconds(segments[row, keep].double()).clamp(min=0).minimum(duration)
            detections.append(Detections(seconds, scores[row, keep], labels[row, keep]))
        return detections

    def _suppress(self, candidates: Candidates) -> Candidates:
        if self.nms == "none":
            return candidates
        rule = SuppressionRule(
            method="gaussian" if self.nms == "soft" else "hard",
            per_class=self.per_class,
            tiou_threshold=self.iou_threshold,
            sigma=self.sigma,
            min_score=self.min_score,
            max_segments=self.max_events,
        )
        picks = nms(*candidates.fields(), rule=rule)
        picked = candidates.take(picks.index)
        segments = picked.segments
        if not self.per_class and self.voting_threshold > 0:
            segments = vote(
                segments,
                candidates.segments,
                candidates.scores,
                candidates.valid,
                tiou_threshold=self.voting_threshold,
                weight=self.voting_weight,
            )
        return Candidates(segments, picks.scores, picked.labels, picks.valid)


def _gather(offsets: Tensor, point: Tensor, label: Tensor) -> Tensor:
    """Offsets (B, K, 2) of the chosen points, of the chosen class where they are class-aware."""
    row = torch.arange(len(offsets), device=offsets.device)[:, None]
    return (offsets[row, point, label] if offsets.dim() == 4 else offsets[row, point]).float()
