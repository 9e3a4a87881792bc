import gzip
import json

import pytest

from avel.data.class_names import read_class_names
from avel.errors import UserError
from tests.unit.data.files import REAL, entry, event, write_annotations


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "\ufeffdog barking\n\n  owl hooting \n"),
        ("classes", "dog barking\nowl hooting"),
        ("classes.json", '["dog barking", "owl hooting"]'),
        ("prompts.json", '{"classes": ["dog barking", "owl hooting"], "encoder": "x"}'),
    ],
)
def test_lists_of_names(tmp_path, name, text):
    assert read_class_names(write(tmp_path, name, text)) == ["dog barking", "owl hooting"]


def test_annotations_with_and_without_ids(tmp_path):
    numbered = {"v": entry(event(label="owl", label_id=0)), "w": entry(event(8, 99, "cat", 1), subset="validation")}
    assert read_class_names(write_annotations(tmp_path, numbered)) == ["owl", "cat"]
    named = {
        "v": entry({"segment": [1, 2], "label": "owl"}, subset="training"),
        "w": entry({"segment": [1, 2], "label": "cat"}, subset="validation"),
        "x": entry(subset="testing"),
    }
    path = tmp_path / "packed.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"database": named}).encode()))
    assert read_class_names(path) == ["cat", "owl"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("classes.txt", "a\nb\na\n", "classes.txt: names 'a' twice"),
        ("classes.txt", " \n", "classes.txt: names no class"),
        ("classes.json", "[1]", "classes.json: needs a list of class names"),
        ("classes.json", '{"names": []}', "classes.json: needs a list of class names"),
        ("classes.json", '["a"', "classes.json: is not a valid"),
    ],
)
def test_what_names_no_classes_is_refused(tmp_path, name, text, message):
    with pytest.raises(UserError, match=message):
        read_class_names(write(tmp_path, name, text))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"classes\.txt: is not a valid list of one class name per line"):
        read_class_names(tmp_path / "classes.txt")
    for name in ("absent.txt", "absent.json"):
        with pytest.raises(UserError, match=f"{name}: cannot be read"):
            read_class_names(tmp_path / name)


@pytest.mark.skipif(not REAL.exists(), reason="the real UnAV-100 annotations lie outside of the repository")
def test_the_real_annotations():
    names = read_class_names(REAL)
    assert (len(names), names[0], names[-1]) == (100, "man speaking", "hair dryer drying")
