"""Scores of predictions that look at no feature, beside which a result is reported."""

from __future__ import annotations

import torch
from torch.nn.functional import one_hot

from avel.batch import ClipPrediction
from avel.metrics.baselines import most_frequent_everywhere
from avel.metrics.mean_ap import DenseMeanAveragePrecision
from avel.tasks.evaluation import DenseData, named_scores
from avel.tasks.segment_evaluation import SegmentData, SegmentEvaluation


def dense_baselines(data: DenseData, split: str, *, top_k: int = 100) -> dict[str, dict[str, float]]:
    """Score the baselines of dense localization.

    Args:
        data: the data set; its training split says which classes are frequent.
        split: split to predict.
        top_k: most frequent classes to predict in every video.

    Returns:
        name of the baseline -> its `named_scores`, each in [0, 1].
    """
    truth = data.targets(split)
    predictions = most_frequent_everywhere(data.targets("train").values(), data.durations(split), top_k=top_k)
    metric = DenseMeanAveragePrecision(num_classes=len(data.class_names), tiou_thresholds=data.tiou_grid)
    metric.update(predictions, [truth[prediction["video_id"]] for prediction in predictions])
    return {"most frequent everywhere": named_scores(metric.compute(), data.tiou_grid)}


def segment_baselines(data: SegmentData, split: str) -> dict[str, dict[str, float]]:
    """Score the baselines of segment localization; all of them look everywhere alike.

    Args:
        data: the data set.
        split: split to predict.

    Returns:
        name of the baseline -> its scores as `SegmentEvaluation` names them, each in [0, 1].
    """
    truth, background = data.snippet_labels(split), len(data.class_names)
    labels = torch.stack([*truth.values()])
    place = next(iter(data.places(split).values()), torch.empty(labels.shape[1], 1, 1))
    attention = torch.full((len(labels), *place.shape), 1 / place[0].numel())
    video_labels = labels.amin(dim=1, keepdim=True)  # background is the highest of all
    baselines = {
        "all background": torch.full_like(labels, background),
        "true class everywhere": video_labels.expand_as(labels),
    }
    results = {}
    for name, guess in baselines.items():
        scores = one_hot(guess, background + 1)[..., :background].float()
        evaluation = SegmentEvaluation(data, split, torch.device("cpu"))
        evaluation.add([*truth], ClipPrediction(guess, scores, attention))
        results[name], _ = evaluation.score()
    return results
