"""Mean average precision of dense event localization, as a torchmetrics metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from avel.errors import UserError
from avel.metrics.functional import dense_average_precision
from avel.metrics.rules import DEFAULT_RULES, EvaluationRules
from avel.metrics.tables import Events, Predictions, ragged_ranges, take
from avel.metrics.videos import first_visits, video_number

UNAV100_TIOU_THRESHOLDS = tuple(np.linspace(0.1, 0.9, 9).tolist())
"""0.1:0.1:0.9 as the published evaluator builds it (its 0.3 is 0.30000000000000004)."""

PREDICTION_COLUMNS = ("labels", "scores")
EVENT_COLUMNS = ("labels",)


class DenseMeanAveragePrecision(Metric):
    """mAP and recall@k of dense event localization over a named grid of tIoU thresholds.

    Definitions stand at the top of `avel.metrics.functional`, which computes them. Videos count once however often they
    are seen (padded samplers, several ranks), and neither order, batch size nor number of ranks changes a digit: tied
    scores of different videos are decided by video id, those of one video by row.

    Args:
        num_classes: C; labels lie in [0, C).
        tiou_thresholds: the grid of T thresholds in (0, 1]; the default is that of UnAV-100.
        recall_k: the k of recall@k.
        rules: rules on which released evaluators differ (`avel.metrics.rules.RELEASED_RULES`).
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    videos: list[Tensor]
    num_predictions: list[Tensor]
    num_events: list[Tensor]
    predictions: list[Tensor]
    events: list[Tensor]

    def __init__(
        self,
        *,
        num_classes: int,
        tiou_thresholds: Sequence[float] = UNAV100_TIOU_THRESHOLDS,
        recall_k: Sequence[int] = (1, 5),
        rules: EvaluationRules = DEFAULT_RULES,
    ) -> None:
        super().__init__()
        if not all(0 < threshold <= 1 for threshold in tiou_thresholds):
            raise UserError(f"tiou_thresholds must lie in (0, 1], got {list(tiou_thresholds)}")
        self.num_classes = num_classes
        self.tiou_thresholds = tuple(tiou_thresholds)
        self.recall_k = tuple(recall_k)
        self.rules = rules
        self.set_dtype(torch.float64)  # a rank without data contributes empty states of this type
        for state in ("videos", "num_predictions", "num_events", "predictions", "events"):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    def update(self, preds: Sequence[dict[str, Any]], target: Sequence[dict[str, Any]]) -> None:
        """Add videos.

        Args:
            preds: one dict per video: `video_id` (str or int), `segments` (N, 2) in seconds, `scores` (N,) and
                `labels` (N,).
            target: the same videos in the same order: `video_id`, `segments` (M, 2) and `labels` (M,).

        Raises:
            UserError: the lists do not belong together, shapes differ, a label lies outside [0, C), a number is not
                finite, or a segment ends before it starts.
        """
        _check_structure(preds, target)
        if not preds:
            return
        predictions = self._rows(preds, PREDICTION_COLUMNS, "prediction")
        events = self._rows(target, EVENT_COLUMNS, "event")
        self.videos.append(self._numbers([video_number(video["video_id"]) for video in preds]))
        self.num_predictions.append(self._numbers([len(video["labels"]) for video in preds]))
        self.num_events.append(self._numbers([len(video["labels"]) for video in target]))
        self.predictions.append(predictions.flatten())
        self.events.append(events.flatten())

    def compute(self) -> dict[str, Tensor]:
        """Return the results over all videos, float64.

        Returns:
            `map` over classes and thresholds, `map_per_tiou` (T,), `map_per_class` (C,), `ap` (C, T), and for each k
            `recall@k` over classes and thresholds. Classes without events are NaN and do not enter means.
        """
        first = first_visits(dim_zero_cat(self.videos))
        visits, rows, order = _joined(first, self.num_predictions, self.predictions, width=2 + len(PREDICTION_COLUMNS))
        predictions = Predictions(visits, rows[:, :2], rows[:, 2].long(), rows[:, 3])
        visits, rows, event_order = _joined(first, self.num_events, self.events, width=2 + len(EVENT_COLUMNS))
        events = Events(visits, rows[:, :2], rows[:, 2].long())
        scores = dense_average_precision(
            predictions,
            take(events, event_order),
            order=order,
            num_classes=self.num_classes,
            tiou_thresholds=self._numbers(self.tiou_thresholds),
            recall_k=self.recall_k,
            rules=self.rules,
        )
        recall = {f"recall@{k}": scores.recall[:, i].nanmean() for i, k in enumerate(self.recall_k)}
        return {
            "map": scores.ap.nanmean(),
            "map_per_tiou": scores.ap.nanmean(dim=0),
            "map_per_class": scores.ap.mean(dim=1),
            "ap": scores.ap,
        } | recall

    def _numbers(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self.device)

    def _rows(self, videos: Sequence[dict[str, Any]], columns: tuple[str, ...], what: str) -> Tensor:
        """Check the videos and join their rows (start, end, *columns), (N, 2 + columns) float64."""
        parts = [torch.cat([video[column] for video in videos]) for column in ("segments", *columns)]
        rows = torch.column_stack([part.to(self.device, torch.float64) for part in parts])
        start, end, labels = rows[:, :3].unbind(dim=1)
        orderly = (start <= end) & (labels >= 0) & (labels < self.num_classes)
        if not orderly.all() & rows.sum().isfinite():  # the sum of huge numbers is not finite, either
            self._check_rows(rows, [video["video_id"] for video in videos for _ in video["labels"]], what)
        return rows

    def _check_rows(self, rows: Tensor, owners: Sequence[str | int], what: str) -> None:
        """Raise a UserError that names what is wrong and the video, if anything is; each row has its video."""
        labels = rows[:, 2]
        faults = {
            "a number that is not finite": ~rows.isfinite().all(dim=1),
            "a segment that ends before it starts": rows[:, 1] < rows[:, 0],
            f"a label outside 0..{self.num_classes - 1}": (labels < 0) | (labels >= self.num_classes),
        }
        for fault, bad in faults.items():
            if bad.any():
                raise UserError(f"video {owners[int(bad.nonzero()[0])]!r}: {fault} in its {what}s")


def _check_structure(preds: Sequence[dict[str, Any]], target: Sequence[dict[str, Any]]) -> None:
    if len(preds) != len(target):
        raise UserError(f"preds holds {len(preds)} videos, but target {len(target)}")
    _check_shapes(preds, PREDICTION_COLUMNS, "preds")
    _check_shapes(target, EVENT_COLUMNS, "target")
    for i, (prediction, truth) in enumerate(zip(preds, target, strict=True)):
        if prediction["video_id"] != truth["video_id"]:
            raise UserError(f"preds[{i}] is video {prediction['video_id']!r}, but target[{i}] {truth['video_id']!r}")


def _check_shapes(videos: Sequence[dict[str, Any]], columns: tuple[str, ...], side: str) -> None:
    keys = ("segments", *columns)
    for i, video in enumerate(videos):
        missing = [key for key in ("video_id", *keys) if key not in video]
        if missing:
            raise UserError(f"{side}[{i}] lacks {', '.join(missing)}")
        rows = video["labels"].numel()
        shapes = [video[key].shape for key in keys]
        if shapes != [(rows, 2), *[(rows,)] * len(columns)]:
            found = dict(zip(keys, map(tuple, shapes), strict=True))
            raise UserError(
                f"{side}[{i}] (video {video['video_id']!r}) needs segments (N, 2) and the rest (N,), got {found}"
            )


def _joined(first: Tensor, counts: list[Tensor], flat: list[Tensor], *, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Join the rows of all visits: the visit of each (N,), the rows (N, width), and those of first visits in order."""
    sizes = dim_zero_cat(counts).long()
    starts = sizes.cumsum(0) - sizes
    visits = torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)
    return visits, dim_zero_cat(flat).view(-1, width), ragged_ranges(starts[first], sizes[first])[1]
