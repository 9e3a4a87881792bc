"""Points and label assignment against the released codes, digit for digit."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avel.batch import NO_EVENT
from avel.segments.points import Points, pyramid_points
from avel.segments.targets import DenseTargets, assign_targets
from tests.reference.loader import Case, find_cases

GEOMETRY = [
    pytest.param(case, name, id=f"{case}-{name}")
    for case in find_cases(kind="dense", methods=("dense-common",))
    if any(tensor.endswith(".gt_cls_labels") for tensor in case.tensors)
    for name in case.config["sets"]
]
TRAINING = [
    pytest.param(case, id=str(case))
    for case in find_cases(kind="dense", methods=("unav", "ccnet"))
    if {"gt.segments", "gt.cls_labels"} <= case.tensors.keys()
]


def points_of(config: dict[str, Any]) -> Points:
    return pyramid_points(config["max_seq_len"], tuple(map(tuple, config["regression_range"])))


def assert_equals_released(targets: DenseTargets, labels: Tensor, offsets: Tensor) -> None:
    """Labels agree everywhere, offsets at positive points: elsewhere the released ones are arbitrary."""
    torch.testing.assert_close(targets.labels, labels, rtol=0, atol=0)
    assert targets.offsets.shape == offsets.shape
    positive = labels.bool() if offsets.dim() == 4 else labels.bool().any(dim=2)
    torch.testing.assert_close(targets.offsets[positive], offsets[positive], rtol=0, atol=0)
    assert not targets.offsets[~positive].any()


@pytest.mark.parametrize(("case", "name"), GEOMETRY)
def test_points(case: Case, name: str) -> None:
    points = points_of(case.config["sets"][name])
    rows = torch.stack((points.position, points.lower, points.upper, points.stride), dim=1)
    torch.testing.assert_close(rows, case.tensors[f"{name}.points"], rtol=0, atol=0)


@pytest.mark.parametrize(("mode", "class_aware"), [("ca", True), ("cn", False)])
@pytest.mark.parametrize(("case", "name"), GEOMETRY)
def test_label_assignment(case: Case, name: str, mode: str, class_aware: bool) -> None:
    values = case.select(f"{name}.")
    targets = assign_targets(
        points_of(case.config["sets"][name]),
        values["segments"][None],
        values["labels"][None],
        num_classes=case.config["num_classes"],
        class_aware=class_aware,
        same_class="last",
    )
    assert_equals_released(targets, values[f"{mode}.gt_cls_labels"][None], values[f"{mode}.gt_offsets"][None])
    assert targets.labels.any(dim=2).sum() == case.expected[f"{name}.{mode}.num_pos"]


@pytest.mark.parametrize("case", TRAINING)
def test_targets_of_a_training_batch(case: Case) -> None:
    values = case.select("gt.")
    count = values["count"].tolist()
    targets = assign_targets(
        points_of(case.config),
        pad_sequence(values["segments"].split(count), batch_first=True),
        pad_sequence(values["labels"].split(count), batch_first=True, padding_value=NO_EVENT),
        num_classes=case.config["num_classes"],
        class_aware=case.config["class_aware"],
        same_class="last",
    )
    assert_equals_released(targets, values["cls_labels"], values["offsets"])
    valid = case.tensors["out.masks"].bool()
    assert (targets.labels.any(dim=2) & valid).sum() == case.expected["num_pos_points"]
