"""The training objective of dense localizers: classification and regression over all points of a pyramid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, get_args

import torch
from torch import Tensor, nn

from avel.batch import DensePrediction
from avel.errors import check_choice, check_number
from avel.losses.diou import centre_diou_loss
from avel.losses.focal import sigmoid_focal_loss, smooth_labels
from avel.losses.ranks import mean_over_ranks, world_size
from avel.segments.targets import DenseTargets, SameClass


@dataclass(frozen=True, slots=True)
class DenseLossConfig:
    """Weights and normalization of the dense objective.

    Attributes:
        regression_weight: factor of the regression loss; None balances it against classification at every step.
        label_smoothing: share of a positive label given to all classes and background.
        initial_normalizer: first value of the running number of positive points.
        normalizer_momentum: how slowly that number follows the batches.
        same_class: which of two overlapping events of one class a point regresses: "shortest", or the "last" annotated
            (the released codes).
        centre_radius: strides by which a positive point may be away from the middle of its event (centre sampling);
            None: all points in an event are positive.

    Raises:
        UserError: an unknown `same_class`, or a number outside of its range.
    """

    regression_weight: float | None = 1.0
    label_smoothing: float = 0.0
    initial_normalizer: float = 250.0
    normalizer_momentum: float = 0.9
    same_class: SameClass = "shortest"
    centre_radius: float | None = None

    def __post_init__(self) -> None:
        check_choice("method.loss.same_class", self.same_class, get_args(SameClass))
        check_number("method.loss.regression_weight", self.regression_weight, optional=True)
        check_number("method.loss.label_smoothing", self.label_smoothing, 0, 1)
        check_number("method.loss.initial_normalizer", self.initial_normalizer)
        check_number("method.loss.normalizer_momentum", self.normalizer_momentum, 0, 1)
        check_number("method.loss.centre_radius", self.centre_radius, above=True, optional=True)


class DenseLosses(NamedTuple):
    """Scalars of one step: what is minimised, and its two parts."""

    total: Tensor
    classification: Tensor
    regression: Tensor


class DenseCriterion(nn.Module):
    """Focal loss at all valid points plus centre-DIoU loss at positive ones (Zhang et al., ActionFormer, ECCV 2022).

    Both sums are divided by a running mean of the number of positive points. It is a buffer, so that checkpoints carry
    it (the released codes lose it on resume). On several ranks it counts the points of all, and each divides by its
    share: then the mean of the gradients is that of one process with all their videos.

    Args:
        config: weights and normalization.
    """

    normalizer: Tensor

    def __init__(self, config: DenseLossConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("normalizer", torch.tensor(float(config.initial_normalizer)))

    def forward(self, prediction: DensePrediction, targets: DenseTargets) -> DenseLosses:
        """Compare (B, P) points with their targets and move the normalizer one step on.

        Args:
            prediction: logits (B, P, C), offsets (B, P, C, 2) or (B, P, 2), mask (B, P).
            targets: labels (B, P, C) in {0, 1}, offsets in the prediction's shape.
        """
        valid = prediction.mask
        per_class = targets.labels.bool() & valid[..., None]  # (B, P, C)
        per_point = per_class.any(dim=2)  # (B, P)
        normalizer = self._follow(per_point.sum())

        labels = smooth_labels(targets.labels, self.config.label_smoothing)
        classification = sigmoid_focal_loss(prediction.logits, labels)[valid].sum() / normalizer
        positive = per_class if prediction.offsets.dim() == 4 else per_point
        regression = centre_diou_loss(prediction.offsets[positive], targets.offsets[positive]).sum() / normalizer
        weight: float | Tensor | None = self.config.regression_weight
        if weight is None:
            parts = mean_over_ranks(torch.stack([classification, regression]))
            weight = parts[0] / parts[1].clamp(min=0.01)
        return DenseLosses(classification + weight * regression, classification, regression)

    @torch.no_grad()
    def _follow(self, positives: Tensor) -> Tensor:
        """Count the positive points of all ranks and return this one's share of the running mean."""
        count = world_size() * mean_over_ranks(positives.float())
        self.normalizer.lerp_(count.clamp(min=1), 1 - self.config.normalizer_momentum)
        return self.normalizer / world_size()
