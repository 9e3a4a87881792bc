"""Decoding under every setting of the dense-common cases that hold a network's output."""

import pytest

from avel.batch import DensePrediction
from tests.reference import methods
from tests.reference.decoding import check_decoding
from tests.reference.loader import Case, find_cases

CASES = [c for c in find_cases(kind="dense", methods=("dense-common",)) if "in.cls_logits" in c.tensors]
SETTINGS = [
    (case, setting, form)
    for case in CASES
    for setting in case.config["settings"]
    for form in ("ca", "cn")
    if f"{setting}.{form}.det.count" in case.tensors
]


def test_there_are_cases():
    assert SETTINGS


def test_every_stored_result_is_checked():
    for case in CASES:
        stored = {name.rsplit(".", 2)[0] for name in case.tensors if name.endswith(".det.count")}
        assert stored == {f"{setting}.{form}" for of_case, setting, form in SETTINGS if of_case is case}


@pytest.mark.parametrize(("case", "setting", "form"), SETTINGS, ids=str)
def test_decode(case: Case, setting: str, form: str):
    tensors = case.tensors
    offsets = tensors["in.offsets_class_aware" if form == "ca" else "in.offsets_class_agnostic"]
    prediction = DensePrediction(tensors["in.cls_logits"], offsets, tensors["in.masks"].bool())
    check_decoding(
        methods.decoder(case.config["settings"][setting]),
        prediction,
        methods.empty_batch(case),
        case.config["levels"],
        case.select(f"{setting}.{form}.cand."),
        case.select(f"{setting}.{form}.det."),
        tolerance=1e-5,
    )
