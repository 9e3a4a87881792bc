import re

from hypothesis import given, settings
from hypothesis import strategies as st

from avel.events import Event, EventTable
from avel.exports import labels_text, subtitles_text, write_labels, write_subtitles

names = st.text(max_size=8) | st.sampled_from(
    ["a\tb", "two\r\nlines", "<b>bold</b>", "-->", "1", "\ud800", "🐕\u200d🦺"]
)
times = st.integers(0, 40).map(lambda tick: tick / 8) | st.floats(0, 1e5)
spans = st.tuples(times, times).map(sorted)
events = st.builds(
    lambda span, label, score: Event("v", *span, label, score), spans, names, st.none() | st.floats(0, 1)
)
plain = st.builds(lambda span, label: Event("v", *span, label), spans, st.sampled_from("abc"))

TIME = r"(\d\d+):(\d\d):(\d\d),(\d\d\d)"


def read_subtitles(text):
    """Cues as (first ms, last ms, lines)."""
    cues = []
    for number, block in enumerate(text.split("\n\n") if text else [], start=1):
        index, clock, *lines = block.rstrip("\n").split("\n")
        assert index == str(number)
        found = re.fullmatch(f"{TIME} --> {TIME}", clock)
        hours = [int(value) for value in found.groups()]
        start, end = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (hours[:4], hours[4:]))
        cues.append((start, end, lines))
    return cues


@settings(max_examples=100)
@given(st.lists(events))
def test_labels_are_lines_of_three_columns_whatever_the_names(rows):
    lines = labels_text(rows).encode().decode().split("\n")
    assert lines.pop() == ""
    columns = [line.split("\t") for line in lines]
    assert all(len(line) == 3 and line[2].strip() for line in columns)
    expected = sorted((row.start, row.end) for row in rows)
    assert [(float(start), float(end)) for start, end, _ in columns] == [
        (round(start, 6), round(end, 6)) for start, end in expected
    ]


@settings(max_examples=100)
@given(st.lists(events), st.booleans())
def test_subtitles_are_well_formed_whatever_the_names(rows, scores):
    cues = read_subtitles(subtitles_text(rows, scores=scores).encode().decode())
    assert all(start < end and lines and all(map(str.strip, lines)) for start, end, lines in cues)
    assert all(before[1] <= after[0] for before, after in zip(cues, cues[1:], strict=False))
    assert not any(re.search(r"[<{]\w|-->", line) for *_, lines in cues for line in lines)


@settings(max_examples=200)
@given(st.lists(plain, max_size=12), st.floats(0, 6))
def test_subtitles_list_what_goes_on(rows, seconds):
    cues = read_subtitles(subtitles_text(rows))
    time = round(seconds * 1000) + 0.5  # never on a boundary
    shown = [lines for start, end, lines in cues if start < time < end]
    expected = {row.label for row in rows if round(1000 * row.start) < time < round(1000 * row.end)}
    assert [set(lines) for lines in shown] == ([expected] if expected else [])
    assert all(len(set(lines)) == len(lines) for lines in shown)


def test_overlapping_events_share_a_cue():
    rows = [Event("v", 1, 4, "dog", 0.9), Event("v", 2, 3, "<rain>", 0.51), Event("v", 4, 5, "dog", 0.3)]
    assert subtitles_text(rows) == (
        "1\n00:00:01,000 --> 00:00:02,000\ndog\n\n"
        "2\n00:00:02,000 --> 00:00:03,000\ndog\n<\u2060rain>\n\n"
        "3\n00:00:03,000 --> 00:00:05,000\ndog\n"
    )
    assert subtitles_text(rows, scores=True).count("dog 0.90") == 3
    assert labels_text(rows[:1], scores=True) == "1.000000\t4.000000\tdog 0.90\n"


def test_of_two_events_of_a_class_the_surest_is_named():
    rows = [Event("v", 0, 4, "dog", 0.2), Event("v", 1, 2, "dog", 0.8), Event("v", 1.5, 3, "dog")]
    assert [lines for *_, lines in read_subtitles(subtitles_text(rows, scores=True))] == [
        ["dog 0.20"],
        ["dog 0.80"],
        ["dog"],
        ["dog 0.20"],
    ]


def test_a_threshold_keeps_annotations_and_videos(tmp_path):
    table = EventTable([Event("v", 1, 2, "dog", 0.2), Event("v", 7322.5, 7323, "cat", 0.5), Event("w", 0, 1, "cow")])
    sure = table.above(0.5)
    assert [event.label for event in sure] == ["cat", "cow"]
    assert table.above(2).videos == ["v", "w"]
    write_labels(tmp_path / "labels.txt", sure.by_video()["v"])
    write_subtitles(tmp_path / "v.srt", sure.by_video()["v"])
    assert (tmp_path / "labels.txt").read_bytes() == b"7322.500000\t7323.000000\tcat\n"
    assert (tmp_path / "v.srt").read_bytes() == b"1\n02:02:02,500 --> 02:02:03,000\ncat\n"
    write_subtitles(tmp_path / "v.srt", [])
    assert (tmp_path / "v.srt").read_bytes() == b""
