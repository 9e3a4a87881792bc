"""No case may go unchecked because no test knows it."""

import json

import pytest

from tests.reference.loader import FOLDER, Case

METHODS = {
    "metric": {"temporal-detection-mAP"},
    "nms": {"nms-1d", "batched-nms-1d"},
    "segment": {"AV_att", "W-AV-att", "DMRN", "CMRAN-full", "CMRAN-weak", "PSP-full", "PSP-weak"},
    "matching": {"AVDLN-CMM"},
}
PREFIXES = ("unav", "ccnet", "actionformer", "uniav", "dense-")
"""Folders of the kind "dense" that belong to methods of this package."""


def claimed(case: Case) -> bool:
    if case.kind in METHODS:
        return case.method in METHODS[case.kind]
    if case.method in ("unav", "ccnet"):
        return "history" in case.expected or "out.cls_logits" in case.tensors
    if case.method == "ActionFormer":
        return {"eval.logits.l0", "train.call1.final_loss", "steps.losses"} <= case.tensors.keys()
    if case.method == "UniAV":
        return all(f"train.{task}.call1.final_loss" in case.tensors for task in case.config["tasks"])
    raw_nms = any(name.endswith(".in.segments") for name in case.tensors)
    labels = any(name.endswith(".gt_cls_labels") for name in case.tensors)
    return case.method == "dense-common" and (labels or raw_nms or "in.cls_logits" in case.tensors)


def ours() -> list[Case]:
    cases = [Case(path.parent) for path in sorted(FOLDER.glob("*/case.json"))]
    return [c for c in cases if c.kind in METHODS or (c.kind == "dense" and c.name.startswith(PREFIXES))]


@pytest.mark.parametrize("case", ours(), ids=str)
def test_some_test_checks_this_case(case):
    assert claimed(case)


def test_the_folder_holds_cases():
    assert {json.loads(path.read_text())["kind"] for path in FOLDER.glob("*/case.json")} >= {"dense", *METHODS}
