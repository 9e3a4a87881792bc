from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import ImageColor

from avel.report.charts import BAR_WIDTH, Bar, draw_bars, draw_curves
from avel.report.raster import rasterize
from avel.report.svg import COLOURS

CURVES = {"tIoU 0.50": [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)], "tIoU 0.90": [(0.0, 0.2), (1.0, 0.0)]}
BARS = {"length": [Bar("< 2 s", 0.5, "50 % of 8"), Bar("≥ 2 s", 0.0)], "coverage": [Bar('<b> & "all"', 1.0)]}


def texts(svg):
    return [text.text for text in ElementTree.fromstring(svg).findall("{*}text")]


def test_curves_go_through_their_points():
    svg = draw_curves("Precision", ("recall", "precision"), CURVES)
    lines = [line.attrib["points"] for line in ElementTree.fromstring(svg).findall("{*}polyline")]
    first = [tuple(map(float, point.split(","))) for point in lines[0].split()]
    (left, top), middle, (right, bottom) = first
    assert middle == ((left + right) / 2, (top + bottom) / 2)
    assert len(lines) == len(CURVES)
    assert {"Precision", "recall", *CURVES} <= set(texts(svg))


def test_bars_are_as_long_as_their_values():
    svg = ElementTree.fromstring(draw_bars("Missed events", BARS))
    drawn = [(bar.attrib["fill"], float(bar.attrib["width"])) for bar in svg.findall("{*}rect")]
    assert [pair for pair in drawn if pair[0] in COLOURS] == [(COLOURS[0], BAR_WIDTH / 2), (COLOURS[1], BAR_WIDTH)]


def test_texts_are_shown_literally_and_headings_only_where_there_are_some():
    shown = texts(draw_bars("Missed events", BARS))
    assert shown == ["Missed events", "length", "< 2 s", "50 % of 8", "≥ 2 s", None, "coverage", '<b> & "all"', None]
    assert texts(draw_bars("a", {"": [Bar("b", 1.0, "c")]})) == ["a", "b", "c"]


@pytest.mark.parametrize("svg", [draw_curves("a", ("x", "y"), CURVES), draw_bars("a", BARS)])
def test_charts_can_be_made_pixels(svg):
    image = np.asarray(rasterize(svg, 1.0))
    for colour in COLOURS[:2]:
        assert (image == ImageColor.getrgb(colour)).all(axis=2).any()
