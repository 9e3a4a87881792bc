"""Numbers of five released evaluators; each is our metric under a named rules."""

from dataclasses import replace

import pytest
import torch

from avel.metrics.functional import dense_average_precision
from avel.metrics.mean_ap import DenseMeanAveragePrecision
from avel.metrics.rules import RELEASED_RULES, EvaluationRules
from avel.metrics.tables import Events, Predictions
from tests.reference.loader import Case, find_cases

VARIANTS = {
    "dropped": {"absent_classes": "ignore"},
    "nan0": {"empty_pairs": "miss"},
    "first": {"ties": "first"},
    "later": {"ties": "later"},
}
CASES = find_cases(kind="metric", methods=("temporal-detection-mAP",))
RESULTS = [
    pytest.param(case, *name.removeprefix("ap.").rsplit(".", 1), id=f"{case}-{name}")
    for case in CASES
    for name in case.tensors
    if name.startswith("ap.")
]


def protocol_of(implementation: str) -> EvaluationRules:
    evaluator, *variants = implementation.split("_")
    rules = RELEASED_RULES[evaluator]
    for variant in variants:
        rules = replace(rules, **VARIANTS[variant])
    return rules


def tables(case: Case) -> tuple[Predictions, Events]:
    t = case.tensors
    return (
        Predictions(t["pred.video"], t["pred.segment"].double(), t["pred.label"], t["pred.score"].double()),
        Events(t["gt.video"], t["gt.segment"].double(), t["gt.label"]),
    )


def by_video(case: Case) -> tuple[list[dict], list[dict]]:
    """The same rows as the metric class takes them, videos in descending order."""
    predictions, events = tables(case)
    videos = torch.cat([predictions.videos, events.videos]).unique().flip(0).tolist()
    names = ("segments", "labels", "scores")
    return tuple(
        [
            {"video_id": video} | dict(zip(names, (column[rows.videos == video] for column in rows[1:]), strict=False))
            for video in videos
        ]
        for rows in (predictions, events)
    )


def test_there_are_cases():
    assert CASES
    assert RESULTS


@pytest.mark.parametrize(("case", "implementation", "grid"), RESULTS)
def test_functional_gives_the_published_digits(case, implementation, grid):
    predictions, events = tables(case)
    scores = dense_average_precision(
        predictions,
        events,
        num_classes=case.config["n_classes"],
        tiou_thresholds=case.tensors[f"thresholds.{grid}"],
        recall_k=case.config["top_k"],
        rules=protocol_of(implementation),
    )

    def check(name, actual, key=f"{implementation}.{grid}"):
        torch.testing.assert_close(actual, case.tensors[f"{name}.{key}"], **case.tolerance)

    classes = scores.num_events.nonzero().squeeze(1)
    check("classes", classes, implementation)
    check("gt_kept", scores.num_events.sum(dim=0, keepdim=True), implementation)
    check("ap", scores.ap[classes].T)
    check("map", scores.ap.nanmean(dim=0))
    check("average_map", scores.ap.nanmean().view(1))
    if f"recall.{implementation}.{grid}" in case.tensors:
        check("recall", scores.recall[:, :, classes])


@pytest.mark.parametrize(("case", "implementation", "grid"), RESULTS)
def test_class_gives_the_published_digits(case, implementation, grid):
    metric = DenseMeanAveragePrecision(
        num_classes=case.config["n_classes"],
        tiou_thresholds=case.tensors[f"thresholds.{grid}"].tolist(),
        recall_k=case.config["top_k"],
        rules=protocol_of(implementation),
    )
    preds, target = by_video(case)
    for start in range(0, len(preds), 5):
        metric.update(preds[start : start + 5], target[start : start + 5])
    result = metric.compute()
    classes = case.tensors[f"classes.{implementation}"]
    ap = case.tensors[f"ap.{implementation}.{grid}"]
    torch.testing.assert_close(result["ap"][classes].T, ap, **case.tolerance)
    torch.testing.assert_close(result["map_per_class"][classes], ap.mean(dim=0), **case.tolerance)
    torch.testing.assert_close(result["map_per_tiou"], case.tensors[f"map.{implementation}.{grid}"], **case.tolerance)
    torch.testing.assert_close(
        result["map"].view(1), case.tensors[f"average_map.{implementation}.{grid}"], **case.tolerance
    )
    recall = case.tensors.get(f"recall.{implementation}.{grid}")
    if recall is not None:
        for column, k in enumerate(case.config["top_k"]):
            torch.testing.assert_close(result[f"recall@{k}"], recall[:, column].mean(), **case.tolerance)


def test_an_unknown_evaluator_fails():
    with pytest.raises(KeyError):
        protocol_of("ccnet_unheard")
