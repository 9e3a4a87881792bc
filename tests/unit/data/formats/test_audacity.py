import pytest
from hypothesis import given

from avel.data.formats.audacity import is_label_track, read_label_track
from tests.unit.data.formats.drawn import ENTRIES

EVENT = {"segment": [1.0, 2.5], "label": "dog barking"}


def write_label_track(entry):
    return "".join(
        f"{row['segment'][0]:.6f}\t{row['segment'][1]:.6f}\t{row['label']}\n" for row in entry["annotations"]
    )


@given(ENTRIES)
def test_what_was_written_is_read(entry):
    text = write_label_track(entry)
    assert read_label_track(text) == entry
    assert is_label_track(text) == bool(entry["annotations"])


@pytest.mark.parametrize(
    "text",
    ["1.0\t2.5\tdog barking", "1,000\t2,5\tdog barking\r\n", "\n1\t2.5\t dog barking \n\\\t100.0\t2000.0\n\n"],
)
def test_styles(text):
    assert is_label_track(text)
    assert read_label_track(text) == {"annotations": [EVENT]}


def test_labels_may_hold_anything():
    assert read_label_track("0\t1\ta\tb, c\n")["annotations"][0]["label"] == "a\tb, c"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0\t2.5\tdog\n1.0 2.5 dog\n", r"line 2: needs start, end and label, separated by tabs: '1\.0 2\.5 dog'"),
        ("\n1.0\t2.5\n", "line 2: needs start, end and label"),
        ("1.0\tsoon\tdog\n", "line 1: needs start, end and label"),
        ("1.0\t2.5\t \n", "line 1: the event from 1.0 to 2.5 s has no label"),
    ],
)
def test_a_bad_line_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        read_label_track(text)


@pytest.mark.parametrize("text", ["", "hello\n", "1.0\t2.5\n", "video,start,end,label\n", "<a>\t1\t2</a>"])
def test_what_is_no_label_track(text):
    assert not is_label_track(text)
