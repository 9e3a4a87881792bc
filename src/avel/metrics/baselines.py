"""Predictions that look at no feature: what a trained model has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch


def most_frequent_everywhere(
    train_targets: Iterable[Mapping[str, Any]], durations: Mapping[str, float], *, top_k: int
) -> list[dict[str, Any]]:
    """Predict the training split's most frequent classes over the whole of every video.

    Args:
        train_targets: one mapping per training video with its `labels` (N,) int64.
        durations: video id -> seconds, of the videos to predict.
        top_k: how many classes to predict; fewer if the training split has fewer.

    Returns:
        One dict per video as `DenseMeanAveragePrecision.update` takes it; a score is the share of training events
        that have the class. Of equally frequent classes the lower label comes first.
    """
    counts = torch.cat([target["labels"] for target in train_targets]).bincount()
    frequency, labels = (counts / counts.sum()).sort(descending=True, stable=True)
    scores, labels = frequency[:top_k], labels[:top_k]
    scores, labels = scores[scores > 0], labels[scores > 0]
    return [
        {
            "video_id": video,
            "segments": torch.tensor([[0.0, seconds]]).repeat(len(labels), 1),
            "scores": scores,
            "labels": labels,
        }
        for video, seconds in durations.items()
    ]
