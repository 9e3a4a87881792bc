"""Numbers of the released NMS: the C++ operators, their use with classes and voting, and raw sets of two papers.

The released soft-NMS decides exact ties by position after swaps, ours by index. The slow twin knows both rules: with
the released one it must give the case, with ours it must give what `nms` gives. Without ties the two are one.
"""

import re

import numpy as np
import pytest
import torch

from avel.segments.nms import Picks, SuppressionRule, nms, vote
from tests.reference.loader import Case, find_cases
from tests.unit.segments import slow

OPERATORS = tuple(find_cases(kind="nms", methods=("nms-1d",)))
BATCHED = tuple(find_cases(kind="nms", methods=("batched-nms-1d",)))
RAW = tuple(
    case
    for case in find_cases(kind="dense", methods=("dense-common",))
    if any(name.endswith(".in.segments") for name in case.tensors)
)
SOFT_METHODS = {"0": "zeroing", "1": "linear", "2": "gaussian", "3": "gated_gaussian"}
MODES = {"soft": "gaussian", "hard": "hard"}
CLASSES = {"multiclass": True, "agnostic": False}
VOTES = {"novote": None, "vote": "score", "vote-iouweighted": "score_tiou"}


def test_there_are_cases():
    assert OPERATORS
    assert BATCHED
    assert RAW


def test_every_stored_result_is_checked():
    patterns = {
        OPERATORS: r"segs|scores|hard[\d.]+\.keep|soft\d\.(inds|dets)",
        BATCHED: r"(segs|scores|labels)|.+\.out_(segs|scores|labels)",
        RAW: r"in\.(segments|scores|labels)|\d+\.out\.(segments|scores|labels)",
    }
    for cases, pattern in patterns.items():
        for case in cases:
            assert [n for n in case.tensors if not re.fullmatch(pattern, n.partition(".")[2])] == []


def run(segments, scores, labels, rule) -> Picks:
    """Our NMS on one video, valid picks only."""
    valid = torch.ones(1, len(scores), dtype=torch.bool)
    picks = nms(segments[None], scores[None], labels[None], valid, rule=rule)
    return Picks(picks.index[picks.valid], picks.scores[picks.valid], picks.valid[picks.valid])


def run_vote(picked, segments, scores, threshold, weight):
    valid = torch.ones(1, len(scores), dtype=torch.bool)
    inputs = (picked[None], segments[None], scores[None], valid)
    return vote(*inputs, tiou_threshold=threshold, weight=weight)[0]


def outputs(case: Case, outer: str, leaf: str) -> list:
    """`(case, scenario, operation)` of every stored result."""
    found = []
    for name in case.tensors:
        scenario, _, operation = name.partition(".")
        if operation.startswith(outer) and operation.endswith(leaf):
            found.append(pytest.param(case, scenario, operation.removesuffix(leaf), id=f"{case}-{name}"))
    return found


@pytest.mark.parametrize(
    ("case", "scenario", "operation"), [p for case in OPERATORS for p in outputs(case, "hard", ".keep")]
)
def test_hard_operator(case, scenario, operation):
    inputs = case.select(f"{scenario}.")
    threshold = float(operation.removeprefix("hard"))
    n = len(inputs["scores"])
    rule = SuppressionRule(method="hard", tiou_threshold=threshold, min_score=0, max_segments=n)
    picks = run(inputs["segs"], inputs["scores"], torch.zeros(n).long(), rule)
    assert picks.index.equal(inputs[f"{operation}.keep"])


@pytest.mark.parametrize(
    ("case", "scenario", "operation"), [p for case in OPERATORS for p in outputs(case, "soft", ".inds")]
)
def test_soft_operator(case, scenario, operation):
    inputs, config = case.select(f"{scenario}."), case.config
    segments, scores = inputs["segs"], inputs["scores"]
    rule = SuppressionRule(
        method=SOFT_METHODS[operation.removeprefix("soft")],
        tiou_threshold=config["soft_iou"],
        sigma=config["sigma"],
        gate=(config["t1"], config["t2"]),
        min_score=config["min_score"],
        max_segments=len(scores),
    )
    labels = torch.zeros(len(scores)).long()
    index, decayed = slow.nms(segments, scores, labels, rule, ties="position")
    assert index.equal(inputs[f"{operation}.inds"])
    detections = torch.column_stack([segments[index], decayed])
    torch.testing.assert_close(detections, inputs[f"{operation}.dets"], **case.tolerance)
    compare(run(segments, scores, labels, rule), slow.nms(segments, scores, labels, rule, ties="index"), case)


def compare(picks: Picks, expected, case: Case):
    index, decayed = expected
    assert picks.index.equal(index)
    torch.testing.assert_close(picks.scores, decayed, **case.tolerance)


@pytest.mark.parametrize(
    ("case", "scenario", "operation"), [p for case in BATCHED for p in outputs(case, "", ".out_scores")]
)
def test_batched(case, scenario, operation):
    inputs, config = case.select(f"{scenario}."), case.config
    mode, classes, votes = operation.split("-", maxsplit=2)
    rule = SuppressionRule(
        method=MODES[mode],
        per_class=CLASSES[classes],
        tiou_threshold=config["soft_iou"],
        sigma=config["sigma"],
        min_score=config["min_score"],
        max_segments=config["max_seg_num"],
    )
    segments, scores, labels = (inputs[name] for name in ("segs", "scores", "labels"))
    released = slow.nms(segments, scores, labels, rule, ties="position")
    check_outputs(released, inputs, operation, VOTES[votes], case)
    picks = run(segments, scores, labels, rule)
    compare(picks, slow.nms(segments, scores, labels, rule, ties="index"), case)
    if picks.index.equal(released[0]):
        check_outputs((picks.index, picks.scores), inputs, operation, VOTES[votes], case)


def check_outputs(picks, inputs, operation, weight, case):
    index, decayed = picks
    segments, expected = inputs["segs"][index], inputs[f"{operation}.out_segs"]
    if weight:
        expected = torch.where(expected.isnan(), segments, expected)  # zero-length picks stay unvoted
        segments = run_vote(segments, inputs["segs"], inputs["scores"], case.config["voting"], weight)
    torch.testing.assert_close(segments, expected, **case.tolerance)
    torch.testing.assert_close(decayed, inputs[f"{operation}.out_scores"], **case.tolerance)
    assert inputs["labels"][index].equal(inputs[f"{operation}.out_labels"])


@pytest.mark.parametrize(
    ("case", "name", "index"),
    [
        pytest.param(case, *name.split(".")[:2], id=f"{case}-{name}")
        for case in RAW
        for name in case.tensors
        if name.endswith(".out.scores")
    ],
)
def test_raw_sets(case, name, index):
    inputs, expected = case.select(f"{name}.in."), case.select(f"{name}.{index}.out.")
    setting = dict(case.config["settings"][index])
    # The case stores setting 4 as it was used for set c, with voting off; that of the other sets is not recorded. 0.9,
    # as in setting 3, reproduces their numbers: inferred, not read.
    voting = 0.9 if index == "4" and name != "c" else setting["voting_thresh"]
    rule = SuppressionRule(
        method=MODES["soft" if setting["use_soft_nms"] else "hard"],
        per_class=setting["multiclass"],
        tiou_threshold=setting["iou_threshold"],
        sigma=setting["sigma"],
        min_score=setting["min_score"],
        max_segments=setting["max_seg_num"],
    )
    segments, scores, labels = (inputs[key] for key in ("segments", "scores", "labels"))
    picks = run(segments, scores, labels, rule)
    picked = segments[picks.index]
    if voting > 0 and not rule.per_class:
        picked = run_vote(picked, segments, scores, voting, "score")
    actual = ordered(picked, picks.scores, labels[picks.index])
    torch.testing.assert_close(
        actual, ordered(*(expected[key] for key in ("segments", "scores", "labels"))), **case.tolerance
    )


def ordered(segments, scores, labels):
    """Rows by score, then by their other columns: the order of exact duplicates is not defined."""
    rows = torch.column_stack([labels, segments.flip(1), -scores])
    return rows[torch.from_numpy(np.lexsort(rows.T.numpy()))]


@pytest.mark.parametrize("method", SOFT_METHODS.values())
def test_without_ties_the_released_rule_is_ours(method):
    generator = torch.Generator().manual_seed(0)
    segments = (torch.rand(60, 2, generator=generator) * 30).sort(dim=1).values
    labels = torch.randint(0, 3, (60,), generator=generator)
    scores = torch.randperm(60, generator=generator) / 60
    rule = SuppressionRule(method=method)
    compare(
        run(segments, scores, labels, rule), slow.nms(segments, scores, labels, rule, ties="position"), OPERATORS[0]
    )
