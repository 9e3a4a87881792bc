"""Heat maps: numbers of a coarse grid as colours, alone or over a picture."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

Pixels = npt.NDArray[np.uint8]

INFERNO_ANCHORS = (0x000004, 0x1B0C42, 0x4B0C6B, 0x781C6D, 0xA52C60, 0xCF4446, 0xED6925, 0xFB9A06, 0xF7D03C, 0xFCFFA4)
"""Ten colours of matplotlib's "inferno" (van der Walt & Smith, CC0) at equal distances."""

OPACITY = 0.85
"""Of the highest value over a picture."""

LUMA = np.array([0.299, 0.587, 0.114])
"""How bright red, green and blue appear."""


def _inferno() -> Pixels:
    anchors = np.array([[colour >> shift & 255 for shift in (16, 8, 0)] for colour in INFERNO_ANCHORS])
    places = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(places, range(len(anchors)), channel) for channel in anchors.T]
    return np.rint(channels).astype(np.uint8).T


def _jet() -> Pixels:
    index = np.arange(256)[:, None]
    table = np.minimum(4 * index + [-382, -128, 128], [1148, 892, 638] - 4 * index).clip(0, 255)
    table[159, 2] = 1  # the one entry of OpenCV's table that is off its line
    return table.astype(np.uint8)


INFERNO = _inferno()
"""Dark violet to light yellow in almost equal steps of lightness, (256, 3) RGB."""

JET = _jet()
"""Blue over green to red, exactly as in OpenCV, (256, 3) RGB."""


def resize(maps: Tensor, size: tuple[int, int], mode: Literal["bilinear", "bicubic"] = "bilinear") -> Tensor:
    """Interpolate maps (N, H, W), pixel centres at halves; shrinking averages over what a new pixel covers."""
    return functional.interpolate(maps[:, None], size, mode=mode, antialias=True)[:, 0]


def resize_frames(frames: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize pictures (N, H, W, 3)."""
    channels_first = torch.from_numpy(frames).movedim(-1, 1)
    return functional.interpolate(channels_first, size, mode="bilinear", antialias=True).movedim(1, -1).numpy()


def cells(values: Tensor, size: tuple[int, int]) -> Pixels:
    """Colour each cell of maps (N, H, W) of values in [0, 1], enlarged to pictures of a size, (N, height, width, 3)."""
    enlarged = functional.interpolate(values[:, None].float(), size, mode="nearest")[:, 0]
    return INFERNO[_to_bytes(255 * enlarged)]


def overlay(values: Tensor, frames: Pixels) -> Pixels:
    """Lay maps of values in [0, 1] over pictures: the higher the value, the brighter and the less transparent.

    Args:
        values: (N, H, W).
        frames: (N, h, w, 3).

    Returns:
        (N, h, w, 3).
    """
    values = resize(values.float(), frames.shape[1:3], "bicubic").clamp(0, 1)
    opacity = OPACITY * values.pow(0.75).numpy()[..., None]
    grey = (frames @ LUMA)[..., None]
    blended = (1 - opacity) * (frames + grey) / 2 + opacity * INFERNO[_to_bytes(255 * values)]
    return np.rint(blended).astype(np.uint8)


# What the released code of AV-att draws (Tian et al., ECCV 2018)


def stretch(maps: Tensor) -> Tensor:
    """Stretch each map (..., H, W) to 0 … 255; a constant one becomes 0, where the released code divides 0 by 0."""
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    return 255 * (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)


def released_colours(attention: Tensor, size: tuple[int, int]) -> Pixels:
    """Stretch maps (N, H, W), enlarge them to a size, cut to whole numbers and colour them by `JET`."""
    return JET[_to_bytes(resize(stretch(attention.float()), size))]


def released_overlay(attention: Tensor, frames: Pixels) -> Pixels:
    """Lay the colours of maps (N, H, W) over pictures (N, h, w, 3): 0.2 of the colour, 0.6 of the picture."""
    colours = released_colours(attention, frames.shape[1:3])
    return np.rint(0.2 * colours + 0.6 * frames).astype(np.uint8)


def released_frame_numbers(frames: int, seconds: int = 10) -> npt.NDArray[np.int64]:
    """Numbers of the 16 frames per second that the released code shows of a video with so many frames.

    It takes every second for a whole number of frames long: those behind `seconds` such seconds are never seen.
    """
    return np.arange(16 * seconds, dtype=np.int64) * (frames // seconds) // 16


def _to_bytes(values: Tensor) -> Pixels:
    return values.clamp(0, 255).byte().numpy()
