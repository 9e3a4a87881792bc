import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from avel.data.prompts import read_prompts, write_prompts
from avel.errors import UserError
from tests.unit.data.files import SHARED

REAL = SHARED / "uniav_prompts"
ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.fixture
def file(tmp_path):
    np.save(tmp_path / "mine.npy", ROWS)
    return tmp_path / "mine.npy"


def test_without_names_row_i_is_class_i(file):
    assert read_prompts(file).tolist() == ROWS.tolist()
    assert read_prompts(file, ["a", "b", "c"]).tolist() == ROWS.tolist()
    with pytest.raises(UserError, match=r"has 3 rows, but there are 2 classes\. Say which .*mine\.json"):
        read_prompts(file, ["a", "b"])


def test_rows_find_their_classes_by_name(file):
    assert read_prompts(file, ["c", "a"], ["a", "b", "c"]).tolist() == ROWS[[2, 0]].tolist()
    file.with_suffix(".json").write_text(json.dumps({"classes": ["b", "c", "a"]}))
    assert read_prompts(file, ["c", "a"], ["a", "b", "c"]).tolist() == ROWS[[1, 2]].tolist()
    with pytest.raises(UserError, match=r"no prompt of class 'd' \(2 of 3 classes are missing\); its rows are b, c, a"):
        read_prompts(file, ["c", "d", "e"])


@given(st.permutations(["dog", "cat", "Kuh ♥"]))
def test_what_was_written_is_read_in_any_order(tmp_path_factory, order):
    path = tmp_path_factory.mktemp("prompts") / "new" / "x.npy"
    write_prompts(path, ROWS, ["dog", "cat", "Kuh ♥"], sentences=["A dog.", "A cat.", "Kuh."], encoder="mine")
    rows = dict(zip(("dog", "cat", "Kuh ♥"), ROWS.tolist(), strict=True))
    assert read_prompts(path, order).tolist() == [rows[name] for name in order]
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert about.keys() == {"classes", "sentences", "encoder"}
    assert {file.name for file in path.parent.iterdir()} == {"x.npy", "x.json"}


def test_a_kill_leaves_no_rows_under_the_names_of_others(file):
    with pytest.raises(TypeError):
        write_prompts(file, ROWS, [b"no text"], sentences=[], encoder="")
    assert not list(file.parent.iterdir())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[", "mine.json: is not a valid"),
        ("[]", 'mine.json: needs the list "classes", the names of the rows of mine.npy'),
        ('{"classes": [1, 2, 3]}', 'mine.json: needs the list "classes"'),
        ('{"classes": ["a", "b"]}', "mine.json has 2 names, but mine.npy has 3 rows"),
        ('{"classes": ["a", "b", "a"]}', "mine.json has 'a' twice"),
    ],
)
def test_names_are_checked(file, document, message):
    file.with_suffix(".json").write_text(document)
    with pytest.raises(UserError, match=message):
        read_prompts(file)


def test_names_of_the_configuration_are_checked(file):
    with pytest.raises(UserError, match=r"mine\.npy: method\.tasks\.NAME\.prompt_classes has 1 names, but .* 3 rows"):
        read_prompts(file, (), ["a"])


def test_rows_are_checked(tmp_path):
    np.savez(tmp_path / "many.npz", np.zeros(3))
    np.save(tmp_path / "ints.npy", np.zeros((3, 6), dtype=int))
    np.save(tmp_path / "nan.npy", np.where(np.arange(18).reshape(3, 6) == 8, np.nan, 1.0))
    np.save(tmp_path / "large.npy", np.array([[1.0], [1e300]]))
    (tmp_path / "bad.npy").write_bytes(b"no array")
    for name, message in (
        ("many.npz", "many.npz cannot be read as prompts"),
        ("bad.npy", "bad.npy cannot be read as prompts"),
        ("none.npy", "none.npy: there is no such file of prompts; data/README.md says"),
        ("ints.npy", r"ints.npy: int64 of shape \(3, 6\), wanted one row of floats per class"),
        ("nan.npy", "nan.npy: row 1 holds NaN or infinite values"),
        ("large.npy", "large.npy: row 1 holds NaN or infinite values"),
    ):
        with pytest.raises(UserError, match=message):
            read_prompts(tmp_path / name)


@pytest.mark.skipif(not REAL.is_dir(), reason="the published prompts are not here")
@pytest.mark.parametrize(
    ("file", "classes"), [("anet_prompt.npy", 200), ("unav100_prompt.npy", 100), ("dcase_prompt.npy", 10)]
)
def test_the_published_prompts(file, classes):
    prompts = read_prompts(Path(REAL) / file)
    assert prompts.shape == (classes, 1536)
    assert_close(prompts.norm(dim=1), torch.ones(classes))
