"""Values against the signatures of what they are for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from avel.data.transforms import RandomCrop
from avel.errors import UserError
from avel_run.arguments import check_arguments, fits, wanted

LOADER = {"_target_": "avel.data.module.LoaderOptions"}
CROP = {"_target_": "avel.data.transforms.RandomCrop", "ratio": [0.9, 1.0]}
DATA = {"_target_": "avel.data.unav100.UnAV100", "root": "data", "crop": CROP, "loader": LOADER}


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (int, [0, -1], [True, 1.0, "1", None, []]),
        (float, [0, 0.5, float("inf")], [True, "1", None, float("nan")]),
        (bool, [True], [1, "no", None]),
        (str, [""], [1, None, []]),
        (str | Path, ["x"], [1, None]),
        (int | None, [None, 1], ["null"]),
        (Literal["a", "b"], ["a", "c"], [1, None]),
        (tuple[float, float] | None, [[0.9, 1], None], [[1.0], [1.0, "x"], 0.9, "ab"]),
        (tuple[int, ...], [[], [1, 2]], [["x"], 1]),
        (Sequence[str], [["x"]], ["x", [1]]),
        (Mapping[str, float], [{}, {"x": 1}], [{"x": "y"}, [], CROP]),
        (RandomCrop, [CROP], [{"ratio": None}, "word", 7]),
        (Any, [7, None, "x"], []),
    ],
)
def test_values_and_types(hint, good, bad):
    assert [value for value in good if not fits(value, hint)] == []
    assert [value for value in bad if fits(value, hint)] == []
    assert wanted(hint)


def test_lists_of_a_length_and_of_any():
    assert wanted(tuple[float, float]) == "a list of 2 numbers"
    assert wanted(tuple[int, ...]) == "a list of whole numbers"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loader": "word"}, "data.loader=word: give a section of keys or null"),
        ({"loader": LOADER | {"batch_size": 1.5}}, "data.loader.batch_size=1.5: give a whole number"),
        ({"loader": LOADER | {"batchsize": 1}}, "data.loader.batchsize: there is no such key. Did you mean batch_size"),
        ({"crop": CROP | {"ratio": [1]}}, r"data.crop.ratio=\[1\]: give a list of 2 numbers or null"),
        ({"class_names": "dog"}, "data.class_names=dog: give a list of texts or null"),
        ({"allow_missing": "no"}, "data.allow_missing=no: give true or false"),
        ({"max_length": {"a": 1}}, "data.max_length=a section of keys: give a whole number or null"),
        ({"_target_": 7}, "data._target_=7: give the name of a class"),
        ({"_target_": "avel.data.nothing.X"}, "data._target_=avel.data.nothing.X: "),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(UserError, match=message):
        check_arguments("data", DATA | change)


def test_what_fits_passes():
    check_arguments("data", DATA)
    check_arguments("data", {"_target_": "avel.data.multitask.MultitaskDataModule", "sets": {"ours": DATA}})
    check_arguments("callbacks", {"none": None, "list": [LOADER]})
    with pytest.raises(UserError, match=r"callbacks.list\[1\].order=7: give shuffled or"):
        check_arguments("callbacks", {"list": [None, LOADER | {"order": 7}]})
