"""What rendered classes look like: a coloured shape that moves in a way of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Pixels = npt.NDArray[np.uint8]

COLOURS = {
    "red": (222, 52, 48),
    "yellow": (244, 208, 36),
    "blue": (44, 108, 232),
    "white": (240, 240, 236),
    "green": (40, 170, 76),
    "pink": (240, 120, 190),
    "orange": (244, 138, 26),
    "cyan": (60, 210, 220),
}

SMOOTH = 4
"""Shapes are drawn so many times larger than they are shown."""
TURNS, SIZES = 48, 9
"""Steps in which shapes turn, and grow and shrink."""


def _star(points: int, inner: float) -> list[tuple[float, float]]:
    """Corners of a star within the unit circle, alternately outside and `inner`."""
    angles = [math.pi * i / points - math.pi / 2 for i in range(2 * points)]
    return [(r * math.cos(a), r * math.sin(a)) for a, r in zip(angles, [1.0, inner] * points, strict=True)]


SHAPES = {
    "disc": _star(24, 1.0),
    "star": _star(5, 0.42),
    "square": [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)],
    "triangle": [(0.0, -0.95), (0.95, 0.75), (-0.95, 0.75)],
    "bar": [(-1.0, -0.32), (1.0, -0.32), (1.0, 0.32), (-1.0, 0.32)],
    "cross": [
        *((-0.3, -0.95), (0.3, -0.95), (0.3, -0.3), (0.95, -0.3), (0.95, 0.3), (0.3, 0.3)),
        *((0.3, 0.95), (-0.3, 0.95), (-0.3, 0.3), (-0.95, 0.3), (-0.95, -0.3), (-0.3, -0.3)),
    ],
    "arrow": [(1.0, 0.0), (0.1, -0.8), (0.1, -0.3), (-0.95, -0.3), (-0.95, 0.3), (0.1, 0.3), (0.1, 0.8)],
    "burst": _star(9, 0.62),
}

Pose = tuple[float, float, float, float]
"""Place in the picture (x and y, each from -1 to 1), turns, and size (1 is the usual one)."""

MOTIONS: dict[str, Callable[[float], Pose]] = {
    "bounce": lambda t: (math.sin(0.9 * t), 0.9 - 1.8 * abs(math.sin(4.0 * t)), 0.0, 1.0),
    "orbit": lambda t: (0.8 * math.cos(2.6 * t), 0.8 * math.sin(2.6 * t), 0.0, 1.0),
    "sweep": lambda t: (math.sin(2.2 * t), 0.0, 0.0, 1.0),
    "spin": lambda t: (0.15 * math.sin(0.7 * t), 0.0, 0.8 * t, 1.0),
    "pulse": lambda t: (0.0, 0.15 * math.sin(0.7 * t), 0.0, 1.0 + 0.35 * math.sin(9.0 * t)),
    "swing": lambda t: (0.5 * math.sin(1.8 * t), 0.4 * math.cos(3.6 * t), 0.12 * math.sin(3.6 * t), 1.0),
    "shake": lambda t: (0.12 * math.sin(31 * t), 0.12 * math.cos(23 * t), 0.03 * math.sin(27 * t), 1.0),
}
"""Pose after so many seconds."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a class looks like.

    Attributes:
        shape: one of `SHAPES`.
        colour: RGB.
        motion: one of `MOTIONS`.
    """

    shape: str
    colour: tuple[int, int, int]
    motion: str


@dataclass(frozen=True, slots=True)
class Actor:
    """An object for the time of one event.

    Attributes:
        look: of its class, in a shade of its own.
        start: first second in which it is seen.
        end: second from which on it is not.
        home: place around which it moves, x and y from -1 to 1.
        reach: how much of the picture its motion takes, 0 to 1.
        radius: pixels.
        pace: factor of the speed of its motion.
        phase: seconds by which its motion is ahead.
    """

    look: Look
    start: float
    end: float
    home: tuple[float, float]
    reach: float
    radius: float
    pace: float
    phase: float

    def paint(self, picture: Pixels, time: float) -> None:
        """Draw it into a picture (H, W, 3) if it is there at that time."""
        if not self.start <= time < self.end:
            return
        x, y, turns, size = MOTIONS[self.look.motion](self.pace * (time - self.start) + self.phase)
        sprite = _sprite(self.look.shape, self.look.colour, _radius(self.radius * size), round(turns * TURNS) % TURNS)
        height, width = picture.shape[:2]
        place = (
            _position(self.home[0] + self.reach * x, width, self.radius),
            _position(self.home[1] + self.reach * y, height, self.radius),
        )
        _blend(picture, sprite, *place)


def _position(share: float, length: int, radius: float) -> int:
    """Return the pixel of a place from -1 to 1 that an object is at without leaving the picture."""
    return round(length / 2 + min(max(share, -1.0), 1.0) * (length / 2 - radius))


def _radius(pixels: float) -> int:
    """Round a radius: every step costs a drawing."""
    return max(round(pixels), 2)


@cache
def _sprite(shape: str, colour: tuple[int, int, int], radius: int, turns: int) -> npt.NDArray[np.float32]:
    """Draw a shape with a dark outline, premultiplied RGB and opacity in 0..1, (2 radius + 3, 2 radius + 3, 4)."""
    side = 2 * radius + 3
    image = Image.new("RGBA", (SMOOTH * side, SMOOTH * side), (*colour, 0))
    angle, centre, scale = 2 * math.pi * turns / TURNS, SMOOTH * side / 2, SMOOTH * radius
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    corners = [(centre + x * cos - y * sin, centre + x * sin + y * cos) for x, y in SHAPES[shape]]
    outline = tuple(value // 4 for value in colour)
    ImageDraw.Draw(image).polygon(corners, (*colour, 255), (*outline, 255), width=SMOOTH)
    pixels = np.asarray(image.resize((side, side), Image.Resampling.BOX), np.float32)
    opacity = pixels[..., 3:] / 255
    return np.concatenate([pixels[..., :3] * opacity, opacity], axis=2)


def _blend(picture: Pixels, sprite: npt.NDArray[np.float32], x: int, y: int) -> None:
    """Lay a sprite over a picture, its centre at a pixel that is in the picture."""
    half = len(sprite) // 2
    top, left = max(y - half, 0), max(x - half, 0)
    under = picture[top : y + half + 1, left : x + half + 1]
    part = sprite[top - y + half :, left - x + half :][: under.shape[0], : under.shape[1]]
    under[:] = under * (1 - part[..., 3:]) + part[..., :3]
