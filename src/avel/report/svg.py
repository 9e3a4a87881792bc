"""The pieces that pictures of this package are made of: rectangles, lines and texts directly below the root of an SVG.

`avel.report.raster` draws them as pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from avel.exchange.text import shown

INK, FAINT, PAPER = "#2e3440", "#d8dee9", "#ffffff"
COLOURS = ("#d08770", "#5e81ac", "#a3be8c", "#b48ead", "#ebcb8b", "#88c0d0")
"""For what is told apart by colour."""


def new_svg(title: str, width: float, height: float) -> Element:
    """Begin a picture on white paper; `title` is what screen readers say."""
    style = {"font-family": "system-ui, sans-serif", "font-size": "13", "role": "img"}
    svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width} {height}"} | style)
    SubElement(svg, "title").text = written(title)
    rect(svg, 0, 0, width, height, PAPER)
    return svg


def rect(svg: Element, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0) -> Element:
    """Add a rectangle; x and y are those of its upper left corner."""
    box = {"x": x, "y": y, "width": width, "height": height}
    return SubElement(
        svg, "rect", {k: f"{v:.1f}" for k, v in box.items()} | {"fill": colour, "fill-opacity": f"{opacity:.2f}"}
    )


def line(svg: Element, points: Sequence[tuple[float, float]], colour: str, width: float = 2.0) -> Element:
    """Add a line through points."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return SubElement(
        svg, "polyline", {"points": places, "fill": "none", "stroke": colour, "stroke-width": f"{width:.1f}"}
    )


def text(svg: Element, x: float, y: float, words: str, anchor: str = "start", weight: str = "400") -> None:
    """Add a line of text, which begins, ends or has its middle at x as `anchor` says, and stands on y."""
    style = {"text-anchor": anchor, "font-weight": weight, "fill": INK}
    SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}"} | style).text = written(words)


def written(words: str) -> str:
    """Return words as one line without what XML cannot hold, as names may."""
    return shown(words) if words else ""


def cut(words: str, longest: int) -> str:
    """Return the beginning of words that are longer than so many characters."""
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"
