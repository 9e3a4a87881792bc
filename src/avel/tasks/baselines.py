"""Scores of predictions that look at no feature, beside which a result is reported."""

from __future__ import annotations

from avel.metrics.baselines import most_frequent_everywhere
from avel.metrics.mean_ap import DenseMeanAveragePrecision
from avel.tasks.evaluation import DenseData, named_scores


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
