import json

import pytest

from avel.data.class_scores import read_class_scores
from avel.errors import UserError


def write(path, document):
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_classes_are_brought_into_the_order_of_the_data(tmp_path):
    results = {"a": [0.1, 0.2, 0.3], "b": [1, 0, 0]}
    path = write(tmp_path / "scores.json", {"results": results, "class": ["run", "jump", "rest"]})
    scores = read_class_scores(path, ["jump", "run"])
    assert scores["a"].tolist() == pytest.approx([0.2, 0.1])
    assert scores["b"].tolist() == [0, 1]


def test_without_names_the_order_is_that_of_the_data(tmp_path):
    path = write(tmp_path / "scores.json", {"results": {"a": [0.1, 0.2]}})
    assert read_class_scores(path, ["x", "y"])["a"].tolist() == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "is not a valid file of class scores"),
        ({"results": {"a": [10**400, 1, 1]}}, "cannot be read as class scores .OverflowError"),
        ([], "cannot be read as class scores"),
        ({"videos": {}}, "cannot be read as class scores .KeyError"),
        ({"results": {"a": ["much"]}}, "cannot be read as class scores"),
        ({"results": {"a": [1.0, 2.0]}, "class": ["x", "z"]}, "has no scores of class 'y'"),
        ({"results": {"a": [1.0]}, "class": ["x", "y"]}, "video 'a' has 1 scores, but there are 2 classes"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, document, message):
    path = write(tmp_path / "scores.json", document)
    with pytest.raises(UserError, match=message) as error:
        read_class_scores(path, ["x", "y"])
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nothing.json: cannot be read .*decoder.class_scores=null does without"):
        read_class_scores(tmp_path / "nothing.json", ["x"])
