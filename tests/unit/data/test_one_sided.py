import pytest

from avel.data.annotations import read_annotations
from avel.data.one_sided import NO_CLASS, one_sided_table, read_one_sided
from avel.errors import UserError
from tests.unit.data.files import entry, event, write_annotations

HEARD = {"segment": [6, 7.5], "label": "dog barking"}


def test_reads_what_is_only_heard_and_only_seen(tmp_path):
    database = {
        "a": entry(event(1, 2)) | {"only_heard": [HEARD], "only_seen": [{"segment": [0, 3]}]},
        "b": entry(event()),
    }
    a, b = read_annotations(write_annotations(tmp_path, database)).videos
    assert [(span.side, span.start, span.end, span.label) for span in a.one_sided] == [
        ("heard", 6, 7.5, "dog barking"),
        ("seen", 0, 3, None),
    ]
    assert len(a.labels) == 1  # they are no events
    assert b.one_sided == ()


def test_what_is_no_class_has_no_id():
    spans = read_one_sided({"only_seen": [HEARD, {"segment": [0, 3]}, {"segment": [0, 1], "label": "unicorn"}]})
    table = one_sided_table(spans, ["cat meowing", "dog barking"])
    assert table["segments"].tolist() == [[6, 7.5], [0, 3], [0, 1]]
    assert table["labels"].tolist() == [1, NO_CLASS, NO_CLASS]
    assert table["sides"].tolist() == [1, 1, 1]
    assert one_sided_table((), ["cat meowing"])["segments"].shape == (0, 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"segment": [0, 1]}, '"only_heard" must be a list'),
        (["dog barking"], "the key 'segment' is missing"),
        ([{"segment": 3}], "only_heard: segment 3 must be"),
        ([{"segment": [0, "1"]}], "only_heard: segment '1' must be a finite number"),
        ([{"segment": [2, 2]}], r"only_heard: \[2, 2\] s ends before it starts"),
        ([{"segment": [0, 1], "label": 7}], "only_heard: label 7 must be a string"),
    ],
)
def test_what_is_malformed_is_told(tmp_path, rows, message):
    path = write_annotations(tmp_path, {"a": entry(event()) | {"only_heard": rows}})
    with pytest.raises(UserError, match=rf"video 'a': {message}"):
        read_annotations(path)
