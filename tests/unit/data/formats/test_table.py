import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.data.formats.table import is_table, read_table
from tests.unit.data.formats.drawn import DATABASES

EVENTS = [{"segment": [1.0, 2.5], "label": "dog"}]


def write_table(database, *, separator=",", header=("video", "start", "end", "label"), comma=False):
    """Write a table as spreadsheets do: quoted where needed, lines that end with CR LF."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator)
    writer.writerow(header)
    for video, entry in database.items():
        for row in entry["annotations"] or [{"segment": ("", ""), "label": ""}]:
            times = [str(time).replace(".", ",") if comma else time for time in row["segment"]]
            writer.writerow([video, *times, row["label"]])
    return file.getvalue()


@given(DATABASES, st.sampled_from([(",", False), (";", False), (";", True), ("\t", False), ("\t", True)]))
def test_what_was_written_is_read(database, style):
    separator, comma = style
    text = write_table(database, separator=separator, comma=comma)
    assert is_table(text)
    assert read_table(text) == database


def test_columns_may_come_in_any_order_and_have_the_names_of_sound_event_lists():
    text = "onset\tEvent_Label\tconfidence\tfilename\toffset\n1\tdog\t0.3\ta.wav\t2.5\n"
    assert is_table(text)
    assert read_table(text) == {"a.wav": {"annotations": EVENTS}}


def test_subset_and_duration_may_be_told_once():
    text = "video,start,end,label,subset,duration\na,1,2.5,dog,,\na,,,,train,60\nb,,,,test,7.5\n"
    assert read_table(text) == {
        "a": {"annotations": EVENTS, "subset": "train", "duration": 60},
        "b": {"annotations": [], "subset": "test", "duration": 7.5},
    }


def test_empty_lines_do_not_count():
    assert read_table("\nvideo,start,end,label\n\n a , 1 ,2.5, dog \n,,,\n") == {"a": {"annotations": EVENTS}}


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "a,1,2,dog\n", "video,start,end\n", "filename\tevent_labels\n", "1.0\t2.0\tdog\n", '"video,start,end'],
)
def test_what_is_no_table(text):
    assert not is_table(text)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,1,2,\n", "line 2: has times but no label"),
        (",1,2,dog\n", "line 2: names no video"),
        ("a,1,2,dog\n\na,one,2,dog\n", "line 4: start 'one' must be a number of seconds"),
        ("a,0:12,0:15,dog\n", "line 2: start '0:12' must be a number of seconds"),
        ("a,1,,dog\n", "line 2: end '' must be a number of seconds"),
        ("a,1\n", "line 2: has times but no label"),
        ("a,1,2,dog,train\na,3,4,dog,test\n", "line 3: says subset 'test', but an earlier row .* says 'train'"),
        ("a,1,2,dog,,9\na,3,4,dog,,8\n", "line 3: says duration 8.0, but an earlier row of the video says 9.0"),
        ("a,1,2,dog,,long\n", "line 2: duration 'long' must be a number of seconds"),
        (f'a,1,2,"{"dog" * 50_000}"\n', "line 2: field larger than field limit"),
    ],
)
def test_a_bad_row_is_named(rows, message):
    with pytest.raises(ValueError, match=message):
        read_table("video,start,end,label,subset,duration\n" + rows)
