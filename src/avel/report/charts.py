"""Charts as self-contained SVG pictures: curves over shares, and bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from avel.report.svg import COLOURS, FAINT, new_svg, rect, text
from avel.report.svg import line as draw_line

TOP, MARGIN = 44, 16
SIDE, AXIS_WIDTH, LEGEND_WIDTH = 320, 56, 190
LABEL_WIDTH, BAR_WIDTH, NOTE_WIDTH, ROW = 190, 360, 250, 24


class Bar(NamedTuple):
    """A bar.

    Attributes:
        label: what it is about.
        value: its length, a share in [0, 1].
        note: what stands behind it.
    """

    label: str
    value: float
    note: str = ""


def draw_curves(title: str, axes: tuple[str, str], curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draw curves through points (x, y) in [0, 1] x [0, 1].

    Args:
        title: of the picture.
        axes: what x and y are.
        curves: name -> points, from left to right.

    Returns:
        The SVG document.
    """
    svg = new_svg(title, AXIS_WIDTH + SIDE + LEGEND_WIDTH, TOP + SIDE + 52)
    text(svg, MARGIN, 24, title, weight="600")
    for tick in range(6):
        _tick(svg, tick / 5)
    text(svg, AXIS_WIDTH + SIDE / 2, TOP + SIDE + 40, axes[0], anchor="middle")
    text(svg, AXIS_WIDTH + SIDE + 20, TOP + 8, f"{axes[1]} at")
    for place, (name, points) in enumerate(curves.items()):
        colour = COLOURS[place % len(COLOURS)]
        draw_line(svg, [_place(x, y) for x, y in points], colour)
        rect(svg, AXIS_WIDTH + SIDE + 20, TOP + 22 + ROW * place, 22, 4, colour)
        text(svg, AXIS_WIDTH + SIDE + 50, TOP + 28 + ROW * place, name)
    return _document(svg)


def draw_bars(title: str, groups: Mapping[str, Sequence[Bar]]) -> str:
    """Draw bars below each other, which are all of one scale from 0 to 1.

    Args:
        title: of the picture.
        groups: heading, "" for none -> its bars.

    Returns:
        The SVG document.
    """
    rows = sum(len(bars) + bool(heading) for heading, bars in groups.items())
    svg = new_svg(title, LABEL_WIDTH + BAR_WIDTH + NOTE_WIDTH, TOP + ROW * rows + MARGIN)
    text(svg, MARGIN, 24, title, weight="600")
    y = TOP
    for place, (heading, bars) in enumerate(groups.items()):
        if heading:
            text(svg, MARGIN, y + 16, heading, weight="600")
            y += ROW
        for bar in bars:
            _bar(svg, bar, y, COLOURS[place % len(COLOURS)])
            y += ROW
    return _document(svg)


def _bar(svg: Element, bar: Bar, y: float, colour: str) -> None:
    text(svg, LABEL_WIDTH - 10, y + 16, bar.label, anchor="end")
    rect(svg, LABEL_WIDTH, y + 4, BAR_WIDTH, ROW - 8, FAINT, 0.4)
    if bar.value:
        rect(svg, LABEL_WIDTH, y + 4, BAR_WIDTH * bar.value, ROW - 8, colour)
    text(svg, LABEL_WIDTH + BAR_WIDTH + 10, y + 16, bar.note)


def _tick(svg: Element, share: float) -> None:
    """Draw the grid lines of a share, and write it on both axes."""
    (x, bottom), (right, y) = _place(share, 0), _place(1, share)
    rect(svg, x, TOP, 1, SIDE, FAINT)
    rect(svg, AXIS_WIDTH, y, right - AXIS_WIDTH, 1, FAINT)
    text(svg, x, bottom + 18, f"{share:g}", anchor="middle")
    text(svg, AXIS_WIDTH - 8, y + 5, f"{share:g}", anchor="end")


def _place(x: float, y: float) -> tuple[float, float]:
    return AXIS_WIDTH + SIDE * x, TOP + SIDE * (1 - y)


def _document(svg: Element) -> str:
    ElementTree.indent(svg)
    return ElementTree.tostring(svg, encoding="unicode")
