import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.events import Event
from avel.exchange.subtitles import srt_text, vtt_text, write_subtitles
from avel.exchange.text import shown
from tests.unit.exchange.drawn import OF_ONE_VIDEO

times = st.integers(0, 40).map(lambda tick: tick / 8) | st.floats(0, 1e5)
plain = st.builds(
    lambda span, label: Event("v", *span, label), st.tuples(times, times).map(sorted), st.sampled_from("abc")
)
TIME = r"(\d\d+):(\d\d):(\d\d)[,.](\d\d\d)"


def read_cues(blocks):
    """Cues as (first ms, last ms, lines)."""
    cues = []
    for block in blocks:
        clock, *lines = block.rstrip("\n").split("\n")
        found = re.fullmatch(f"{TIME} --> {TIME}", clock)
        hours = [int(value) for value in found.groups()]
        start, end = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (hours[:4], hours[4:]))
        cues.append((start, end, lines))
    return cues


def read_srt(text):
    blocks = [block.split("\n", maxsplit=1) for block in text.split("\n\n")] if text else []
    assert [index for index, _ in blocks] == [str(place) for place in range(1, len(blocks) + 1)]
    return read_cues(block for _, block in blocks)


def read_vtt(text):
    head, *blocks = text.split("\n\n")
    assert head.rstrip("\n") == "WEBVTT"
    return read_cues(blocks)


@settings(max_examples=50)
@given(OF_ONE_VIDEO, st.booleans())
def test_subtitles_are_well_formed_whatever_the_names(rows, scores):
    srt = read_srt(srt_text(rows, scores=scores).encode().decode())
    vtt = read_vtt(vtt_text(rows, scores=scores).encode().decode())
    assert [cue[:2] for cue in srt] == [cue[:2] for cue in vtt]
    assert all(start < end and lines and all(map(str.strip, lines)) for start, end, lines in srt)
    assert all(before[1] <= after[0] for before, after in zip(srt, srt[1:], strict=False))
    assert not any(re.search(r"[<{]\w|-->", line) for *_, lines in srt for line in lines)
    assert not any(re.search(r"[<>]|&(?!amp;|lt;|gt;)", line) for *_, lines in vtt for line in lines)
    if not scores:
        assert {html.unescape(line) for *_, lines in vtt for line in lines} <= {shown(row.label) for row in rows}


@settings(max_examples=50)
@given(st.lists(plain, max_size=12), st.floats(0, 6))
def test_subtitles_list_what_goes_on(rows, seconds):
    cues = read_srt(srt_text(rows))
    time = round(seconds * 1000) + 0.5  # never on a boundary
    found = [lines for start, end, lines in cues if start < time < end]
    expected = {row.label for row in rows if round(1000 * row.start) < time < round(1000 * row.end)}
    assert [set(lines) for lines in found] == ([expected] if expected else [])
    assert all(len(set(lines)) == len(lines) for lines in found)


def test_overlapping_events_share_a_cue():
    rows = [Event("v", 1, 4, "dog", 0.9), Event("v", 2, 3, "<rain>", 0.51), Event("v", 4, 5, "dog", 0.3)]
    assert srt_text(rows) == (
        "1\n00:00:01,000 --> 00:00:02,000\ndog\n\n"
        "2\n00:00:02,000 --> 00:00:03,000\ndog\n<\u2060rain>\n\n"
        "3\n00:00:03,000 --> 00:00:05,000\ndog\n"
    )
    assert srt_text(rows, scores=True).count("dog 0.90") == 3
    assert vtt_text(rows[1:2], scores=True) == "WEBVTT\n\n00:00:02.000 --> 00:00:03.000\n&lt;rain&gt; 0.51\n"


def test_of_two_events_of_a_class_the_surest_is_named():
    rows = [Event("v", 0, 4, "dog", 0.2), Event("v", 1, 2, "dog", 0.8), Event("v", 1.5, 3, "dog")]
    assert [lines for *_, lines in read_srt(srt_text(rows, scores=True))] == [
        ["dog 0.20"],
        ["dog 0.80"],
        ["dog"],
        ["dog 0.20"],
    ]


@pytest.mark.parametrize("text_of", [srt_text, vtt_text])
def test_events_without_a_millisecond_have_no_cue(text_of):
    nothing = [
        Event("v", 1, 1, "dog"),
        Event("v", 2, 1, "dog"),
        Event("v", -2, -1, "dog"),
        Event("v", 1, 1.0001, "dog"),
    ]
    assert text_of(nothing) == text_of([])
    assert "00:00:00" in text_of([Event("v", -1, 1, "dog")])
    assert text_of([Event("v", 0, 1e308, "dog")])


def test_the_file(tmp_path):
    write_subtitles(tmp_path / "v.srt", [Event("v", 7322.5, 7323, "cat", 0.5)])
    assert (tmp_path / "v.srt").read_bytes() == b"1\n02:02:02,500 --> 02:02:03,000\ncat\n"
    write_subtitles(tmp_path / "v.srt", [])
    assert (tmp_path / "v.srt").read_bytes() == b""
