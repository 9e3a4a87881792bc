from xml.etree import ElementTree

import numpy as np
from PIL import ImageColor

from avel.events import Event
from avel.report.raster import rasterize
from avel.report.svg import COLOURS, line, new_svg
from avel.report.timeline import ANNOTATED, draw_timeline


def pixels(annotated, predicted, scale=1.0):
    return np.asarray(rasterize(draw_timeline("v", 10.0, annotated, predicted), scale))


def columns(image, colour):
    """The first and the last column that has a colour, in the upper rows where the events are."""
    found = (image[52:] == ImageColor.getrgb(colour)).all(axis=2).any(axis=0).nonzero()[0]
    return found[0], found[-1]


def test_the_picture_is_as_large_as_it_says():
    svg = draw_timeline("v", 10.0, [Event("v", 1, 2, "dog")], [])
    assert rasterize(svg, 1.0).size == (920, 124)
    assert rasterize(svg, 2.0).size == (1840, 248)
    assert rasterize(svg).mode == "RGB"


def test_events_lie_where_they_are_in_the_svg():
    image = pixels([Event("v", 5, 10, "dog")], [Event("v", 0, 2.5, "dog", 1.0)])
    assert columns(image, ANNOTATED) == (545, 899)  # the axis goes from 190 to 900
    assert columns(image, COLOURS[0]) == (190, 367)


def test_unsure_events_are_pale_with_an_edge_that_is_not():
    image = pixels([], [Event("v", 2, 8, "dog", 0.5)])
    colour = np.array(ImageColor.getrgb(COLOURS[0]))
    assert columns(image, COLOURS[0]) == (332, 757)
    middle = image[52 + 6 + 13 + 6, 500].astype(int)
    assert np.abs(middle - (colour + 255) / 2).max() <= 1


def test_texts_are_written():
    with_name, without = (pixels([Event("v", 1, 2, name)], []) for name in ("dog barking", ""))
    assert (with_name[52:90, :180] < 128).any()
    assert not (without[52:90, :180] < 128).any()


def test_lines_lie_where_they_are_in_the_svg():
    svg = new_svg("a line", 40, 20)
    line(svg, [(10, 10), (30, 10)], COLOURS[0])
    drawn = (np.asarray(rasterize(ElementTree.tostring(svg, encoding="unicode"), 1.0)) < 255).any(axis=2)
    rows, places = drawn.nonzero()
    assert {*rows} <= {9, 10, 11}
    assert (places.min(), places.max()) == (10, 30)


def test_accents_that_the_font_lacks_are_left_out():
    accented, plain = (
        pixels([Event("v", 1, 2, name)], []) for name in ("Löwe brüllt à Besançon…", "Lowe brullt a Besancon...")
    )
    assert (accented == plain).all()
