"""Timelines: a video's annotated and predicted events as a self-contained SVG picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from avel.events import Event
from avel.report.svg import COLOURS, FAINT, cut, new_svg, rect, text, written

WIDTH, NAME_WIDTH, ROW, BAR, TOP = 920, 190, 38, 13, 52
ANNOTATED = "#3b4252"
LONGEST_NAME, LONGEST_TITLE = 26, 80
"""Characters that have a place; what is longer is cut, and whole in the title of its events and of the picture."""


def draw_timeline(
    video: str,
    duration: float,
    annotated: Sequence[Event],
    predicted: Sequence[Event],
    min_score: float = 0.1,
    rows: int = 8,
) -> str:
    """Draw one row per class: above the annotated events, below the predicted ones, the surer the darker.

    Args:
        video: title of the picture.
        duration: length of the video in seconds.
        annotated: the video's ground truth.
        predicted: the video's predictions.
        min_score: predictions below are left out.
        rows: classes shown at most: annotated ones first, then those with the surest predictions.

    Returns:
        The SVG document.
    """
    shown = sorted((e for e in predicted if (e.score or 0) >= min_score), key=lambda e: e.score or 0)
    by_start = [e.label for e in sorted(annotated, key=lambda e: e.start)]
    labels = list(dict.fromkeys([*by_start, *(e.label for e in reversed(shown))]))[:rows]

    svg = _frame(video, duration, TOP + ROW * len(labels) + 34)
    for index, label in enumerate(labels):
        y = TOP + ROW * index
        text(svg, NAME_WIDTH - 10, y + ROW / 2 + 4, cut(label, LONGEST_NAME), anchor="end")
        for event in (e for e in annotated if e.label == label):
            _bar(svg, event, duration, y + 5, ANNOTATED, 1.0)
        for event in (e for e in shown if e.label == label):
            _bar(svg, event, duration, y + 6 + BAR, COLOURS[index % len(COLOURS)], event.score or 0)
    ElementTree.indent(svg)
    return ElementTree.tostring(svg, encoding="unicode")


def _frame(video: str, duration: float, height: float) -> Element:
    """Title, legend and time axis."""
    svg = new_svg(f"Events of {video}", WIDTH, height)
    text(svg, 16, 24, cut(video, LONGEST_TITLE), weight="600")
    _legend(svg)
    _axis(svg, duration, height)
    return svg


def _x(seconds: float, duration: float) -> float:
    return NAME_WIDTH + (WIDTH - NAME_WIDTH - 20) * min(max(seconds / duration, 0), 1)


def _bar(svg: Element, event: Event, duration: float, y: float, colour: str, opacity: float) -> None:
    left, right = _x(event.start, duration), _x(event.end, duration)
    bar = rect(svg, left, y, max(right - left, 1.5), BAR, colour, opacity)
    bar.set("stroke", colour)  # an unsure event is pale, but its ends can be seen
    score = "" if event.score is None else f", score {event.score:.2f}"
    SubElement(bar, "title").text = written(f"{event.label}: {event.start:.2f}-{event.end:.2f} s{score}")


def _axis(svg: Element, duration: float, height: float) -> None:
    step = next(s for s in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, math.inf) if duration / s <= 12)
    for tick in range(int(duration // step) + 1 if step < math.inf else 1):
        x = _x(tick * step if tick else 0, duration)
        rect(svg, x, TOP - 4, 1, height - TOP - 22, FAINT)
        text(svg, x, height - 10, f"{tick * step if tick else 0:g} s", anchor="middle")


def _legend(svg: Element) -> None:
    rect(svg, WIDTH - 262, 14, 26, BAR, ANNOTATED)
    text(svg, WIDTH - 230, 25, "annotated")
    for index, opacity in enumerate((0.25, 0.6, 1.0)):
        rect(svg, WIDTH - 146 + 14 * index, 14, 14, BAR, COLOURS[0], opacity)
    text(svg, WIDTH - 98, 25, "predicted")
