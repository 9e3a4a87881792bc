from xml.etree import ElementTree

import pytest

from avel.events import Event
from avel.report.raster import rasterize
from avel.report.timeline import LONGEST_NAME, draw_timeline

SVG = "{http://www.w3.org/2000/svg}"


def bars(svg: str) -> list[str]:
    titles = ElementTree.fromstring(svg).iter(f"{SVG}title")
    return [title.text for title in titles][1:]


def test_events_are_drawn_where_and_as_sure_as_they_are():
    annotated = [Event("v", 5.0, 10.0, "dog")]
    predicted = [
        Event("v", 5.5, 9.0, "dog", 0.75),
        Event("v", 0, 20, "cat", 0.05),
        Event("v", 0, 1, "cow", 0.5),
    ]
    svg = draw_timeline("v", 20.0, annotated, predicted, min_score=0.1)
    assert bars(svg) == ["dog: 5.00-10.00 s", "dog: 5.50-9.00 s, score 0.75", "cow: 0.00-1.00 s, score 0.50"]
    rects = [r for r in ElementTree.fromstring(svg).iter(f"{SVG}rect") if r.find(f"{SVG}title") is not None]
    first, second, third = ({k: float(r.get(k)) for k in ("x", "width", "fill-opacity")} for r in rects)
    assert abs(first["width"] / second["width"] - 5 / 3.5) < 0.01
    assert third["x"] < first["x"] < second["x"]
    assert second["fill-opacity"] == 0.75


def test_rows_are_limited_and_names_are_shown_literally():
    predicted = [Event("v", 0, 1, f"<b>{i}</b>", 0.9 - i / 100) for i in range(20)]
    svg = draw_timeline("<script>alert(1)</script>", 10.0, [], predicted, rows=3)
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert "<script>alert(1)</script>" in texts
    assert [t for t in texts if t.startswith("<b>")] == ["<b>0</b>", "<b>1</b>", "<b>2</b>"]
    assert "<script>" not in svg


def test_very_long_and_very_short_videos_have_an_axis():
    for duration in (0.5, 7.0, 59.0, 10_800.0):
        assert "<svg" in draw_timeline("v", duration, [], [])


@pytest.mark.parametrize("name", ["a\0b", "\x1b[1m", "\ud800", "\ufffe", "two\nlines", "🐕", ""])
def test_names_that_xml_cannot_hold_end_no_training(name):
    event = Event(name, 0, 1, name, 0.5)
    rasterize(draw_timeline(name, 10.0, [event], [event]), 1.0)


def test_names_that_have_no_place_are_cut_and_whole_in_titles():
    name = "Female speech, woman speaking to a dog"
    root = ElementTree.fromstring(draw_timeline("v" * 300, 10.0, [Event("v", 0, 1, name)], []))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    (short,) = (text for text in texts if text.startswith("Female"))
    assert len(short) <= LONGEST_NAME
    assert short.endswith("…")
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert titles == ["Events of " + "v" * 300, f"{name}: 0.00-1.00 s"]
