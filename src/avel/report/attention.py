"""Attention sheets: where a method looked in every snippet of a video, and what it said there, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from avel.errors import check_choice
from avel.report.heatmap import (
    INFERNO,
    JET,
    Pixels,
    cells,
    overlay,
    released_colours,
    released_overlay,
    resize_frames,
)

Style = Literal["readable", "released"]

PANEL, COLUMNS, MARGIN, GAP, LINE, HEAD = 224, 5, 20, 14, 20, 46
PAPER, INK, FAINT, RIGHT, WRONG = "#ffffff", "#2e3440", "#667085", "#2e7d32", "#c62828"


@dataclass(frozen=True, slots=True)
class Caption:
    """What stands around a map.

    Attributes:
        time: when that was.
        predicted: class that was predicted.
        true: class that is annotated.
    """

    time: str
    predicted: str
    true: str


def attention_sheet(
    attention: Tensor,
    captions: Sequence[Caption],
    *,
    frames: Pixels | None = None,
    title: str = "",
    style: Style = "readable",
) -> Image.Image:
    """Draw T maps in rows of five, over frames where there are any.

    "readable": colours of even lightness from 0 to the peak of each map, the more opaque the higher, over paled frames;
    without frames, the cells of the maps. Attention that is spread evenly looks like that: the scale reaches to four
    times the mean at least, and every peak is given in numbers.

    "released": as in the released code of AV-att (Tian et al., ECCV 2018), each map stretched between its own minimum
    and maximum, however near they are, in the colours of JET, over square and darkened frames.

    Args:
        attention: (T, H, W), each map sums to 1.
        captions: T of them.
        frames: RGB, (T, h, w, 3).
        title: stands above.
        style: "readable" or "released".
    """
    check_choice("style", style, get_args(Style))
    panels = _panels(attention.float(), frames, style)
    peaks = attention.amax(dim=(1, 2)).tolist()
    columns, rows = max(2, min(COLUMNS, len(panels))), math.ceil(len(panels) / COLUMNS)
    width, height = PANEL + GAP, panels.shape[1] + 3 * LINE + GAP
    size = (2 * MARGIN + columns * width - GAP, HEAD + rows * height + LINE + MARGIN)
    sheet = Image.new("RGB", size, PAPER)
    for index, (panel, peak, caption) in enumerate(zip(panels, peaks, captions, strict=True)):
        row, column = divmod(index, COLUMNS)
        _panel(sheet, MARGIN + column * width, HEAD + row * height, panel, peak, caption)
    _header(sheet, title, captions)
    _legend(sheet, style)
    return sheet


def _panels(attention: Tensor, frames: Pixels | None, style: Style) -> Pixels:
    """Colour the maps, (T, h, PANEL, 3)."""
    if style == "released":
        square = PANEL, PANEL
        if frames is None:
            return released_colours(attention, square)
        return released_overlay(attention, resize_frames(frames, square))
    rows, columns = attention.shape[1:] if frames is None else frames.shape[1:3]
    size = round(PANEL * min(max(rows / columns, 0.25), 2)), PANEL
    values = attention / attention.amax(dim=(1, 2), keepdim=True).clamp_min(4 / attention[0].numel())
    return cells(values, size) if frames is None else overlay(values, resize_frames(frames, size))


def _panel(sheet: Image.Image, x: int, y: int, panel: Pixels, peak: float, caption: Caption) -> None:
    """A map, above it when that was, below it what was said, marked right or wrong, and the truth."""
    right, below = caption.predicted == caption.true, y + LINE + len(panel) + 2
    _text(sheet, (x, y), caption.time, INK)
    _text(sheet, (x + PANEL, y), f"peak {peak:.0%}", FAINT, anchor="ra")
    sheet.paste(Image.fromarray(panel), (x, y + LINE))
    sheet.paste(RIGHT if right else WRONG, (x, below + 3), _mark(right))
    _text(sheet, (x + 18, below), caption.predicted, INK, room=PANEL - 18)
    _text(sheet, (x + 18, below + LINE), f"true: {caption.true}", FAINT, room=PANEL - 18)


def _header(sheet: Image.Image, title: str, captions: Sequence[Caption]) -> None:
    verdict = f"{sum(caption.predicted == caption.true for caption in captions)} of {len(captions)} right"
    room = sheet.width - 2 * MARGIN - GAP - _font(14).getlength(verdict)
    _text(sheet, (MARGIN, 13), title, INK, size=18, room=room)
    _text(sheet, (sheet.width - MARGIN, 17), verdict, FAINT, anchor="ra")


def _legend(sheet: Image.Image, style: Style) -> None:
    """The scale of colours, and what its ends stand for."""
    table, low = {"readable": (INFERNO, "attention: none"), "released": (JET, "attention: least of each map")}[style]
    x, y = MARGIN + round(_font(14).getlength(low)) + 8, sheet.height - MARGIN - 12
    _text(sheet, (MARGIN, y), low, FAINT)
    sheet.paste(Image.fromarray(np.tile(table[::2], (12, 1, 1))), (x, y + 3))
    _text(sheet, (x + len(table) // 2 + 8, y), "peak or 4 x mean", FAINT)


def _text(
    sheet: Image.Image,
    place: tuple[int, int],
    text: str,
    colour: str,
    *,
    size: int = 14,
    room: float = math.inf,
    anchor: Literal["la", "ra"] = "la",
) -> None:
    """Write a line from (left) or up to (right) its upper corner, cut to the room that there is."""
    font, shown = _font(size), text
    while text and font.getlength(shown) > room:
        text = text[:-1]
        shown = f"{text.rstrip()}..."
    ImageDraw.Draw(sheet).text(place, shown, colour, font, anchor)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@cache
def _mark(right: bool) -> Image.Image:
    """The mask of a tick or a cross, drawn large for smooth edges."""
    mask = Image.new("L", (96, 96))
    strokes = [[(12, 52), (38, 78), (84, 18)]] if right else [[(18, 18), (78, 78)], [(18, 78), (78, 18)]]
    for stroke in strokes:
        ImageDraw.Draw(mask).line(stroke, 255, width=16, joint="curve")
    return mask.resize((12, 12), Image.Resampling.LANCZOS)
