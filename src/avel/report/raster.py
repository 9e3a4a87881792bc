"""SVG pictures of this package as pixels, for places that show nothing else."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from xml.etree import ElementTree

from PIL import Image, ImageColor, ImageDraw, ImageFont

ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
"""Where a text is held, in SVG and in Pillow."""

LACKING = str.maketrans({"≥": ">=", "≤": "<=", "ß": "ss", "æ": "ae", "ø": "o", "ł": "l"})
"""Characters that Pillow's own font lacks, and what is written for them, beside accents, which are left out."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def rasterize(svg: str, scale: float = 1.5) -> Image.Image:
    """Draw a document of `avel.report`: rectangles, lines and texts directly below its root, in this order, alone.

    Args:
        svg: the document; its `viewBox` begins at 0, 0.
        scale: pixels per unit.

    Returns:
        The picture, RGB on white.
    """
    root = ElementTree.fromstring(svg)
    width, height = (round(float(number) * scale) for number in root.attrib["viewBox"].split()[2:])
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image, "RGBA")  # blends what is not opaque
    for box in root.findall("{*}rect"):
        _rect(draw, box.attrib, scale)
    for path in root.findall("{*}polyline"):
        _line(draw, path.attrib, scale)
    font = _font(float(root.attrib["font-size"]) * scale)
    for text in root.findall("{*}text"):
        _text(draw, text.attrib, text.text or "", font, scale)
    return image


def _rect(draw: ImageDraw.ImageDraw, box: Mapping[str, str], scale: float) -> None:
    x, y, width, height = (float(box[name]) for name in ("x", "y", "width", "height"))
    left, top, right, bottom = (round(edge * scale) for edge in (x, y, x + width, y + height))
    fill = (*ImageColor.getrgb(box["fill"])[:3], round(255 * float(box["fill-opacity"])))
    # a box of Pillow's has its last pixels in it
    draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), fill, box.get("stroke"))


def _line(draw: ImageDraw.ImageDraw, path: Mapping[str, str], scale: float) -> None:
    points = [tuple(float(number) * scale for number in point.split(",")) for point in path["points"].split()]
    draw.line(points, path["stroke"], round(float(path["stroke-width"]) * scale), joint="curve")


def _text(draw: ImageDraw.ImageDraw, line: Mapping[str, str], text: str, font: Font, scale: float) -> None:
    place = float(line["x"]) * scale, float(line["y"]) * scale
    bold = 0.3 * scale if line["font-weight"] == "600" else 0
    draw.text(place, _drawable(text), line["fill"], font, ANCHORS[line["text-anchor"]], stroke_width=bold)


def _drawable(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.translate(LACKING))
    return "".join(sign for sign in parts if not unicodedata.combining(sign))


@cache
def _font(size: float) -> Font:
    return ImageFont.load_default(size)
