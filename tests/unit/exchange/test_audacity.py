import re

import pytest
from hypothesis import given, settings

from avel.events import Event
from avel.exchange.audacity import labels_text, read_labels, write_labels
from avel.exchange.text import shown
from tests.unit.exchange.drawn import OF_ONE_VIDEO


@settings(max_examples=80)
@given(OF_ONE_VIDEO)
def test_what_was_written_is_read(events):
    assert read_labels(labels_text(events).encode().decode(), "v") == events


@settings(max_examples=50)
@given(OF_ONE_VIDEO)
def test_audacity_sees_times_and_a_name(events):
    lines = labels_text(events).split("\n")
    assert lines.pop() == ""
    columns = [line.split("\t") for line in lines]
    assert [row[2] for row in columns] == [shown(event.label) for event in events]
    assert all(re.fullmatch(r"-?\d+\.\d{6,}", time) for row in columns for time in row[:2])


def test_the_file(tmp_path):
    events = [Event("v", 7322.5, 7323, "cat"), Event("v", 0.1, 2, "dog", 0.9), Event("v", 0, 1, " a\tb", None)]
    write_labels(tmp_path / "labels.txt", events)
    assert (tmp_path / "labels.txt").read_bytes() == (
        b'7322.500000\t7323.000000\tcat\n0.100000\t2.000000\tdog\t0.9\n0.000000\t1.000000\ta b\t\t" a\\tb"\n'
    )


@pytest.mark.parametrize(
    ("line", "label", "score"),
    [
        ("0\t1\tdog", "dog", None),
        ("0,0\t1,0\tdog\r", "dog", None),
        ("0\t1\t dog ", " dog ", None),
        ("0\t1\ta\tb, c", "a\tb, c", None),
        ("0\t1\tdog\tnan", "dog\tnan", None),
        ("0\t1\tdog\t0.5\tdog", "dog\t0.5\tdog", None),
        ("0\t1\tdog\t0.5\t5", "dog", 0.5),
        ('0\t1\tcat\t0.5\t"do\\tg"', "cat", 0.5),  # somebody renamed it
        ('0\t1\tdog\t0.5\t"dog"\tmore', 'dog\t0.5\t"dog"\tmore', None),
        ("0\t1\t\t0.5", "\t0.5", None),
        ("0\t1\tdog\n\\\t100.0\t2000.0", "dog", None),
    ],
)
def test_what_others_write(line, label, score):
    assert read_labels(line, "v") == [Event("v", 0, 1, label, score)]


@pytest.mark.parametrize("line", ["0 1 dog", "0\tdog", "0\tnan\tdog", "soon\t1\tdog", "0\t1\t "])
def test_a_bad_line_is_named(line):
    with pytest.raises(ValueError, match=r"line 3: (needs start, end and label|the event from 0 to 1 s has no label)"):
        read_labels(f"0\t1\tdog\n\n{line}\n", "v")
