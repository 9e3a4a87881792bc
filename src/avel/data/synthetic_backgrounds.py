"""The backgrounds of rendered clips: dull blots that may drift, and change in mid-clip."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image

from avel.data.synthetic_looks import Pixels


@dataclass(frozen=True, slots=True)
class Shot:
    """A background that may drift.

    Attributes:
        start: second from which on it is seen.
        end: second up to which it is.
        texture: RGB, larger than the pictures by how far it may drift.
        path: where in it the pictures lie at the start and at the end, ((x, y), (x, y)).
        size: width and height of the pictures.
    """

    start: float
    end: float
    texture: Pixels
    path: npt.NDArray[np.float64]
    size: tuple[int, int]

    def at(self, time: float) -> Pixels:
        """Return a copy of what is seen of it."""
        share = (time - self.start) / (self.end - self.start)
        x, y = np.rint(self.path[0] + share * (self.path[1] - self.path[0])).astype(int)
        width, height = self.size
        return self.texture[y : y + height, x : x + width].copy()


def draw_shots(size: tuple[int, int], duration: float, difficulty: float, rng: np.random.Generator) -> list[Shot]:
    """Draw the backgrounds of a clip in order of time; the harder, the more they change and drift."""
    cuts = np.sort(rng.uniform(0.1, 0.9, rng.poisson(1.5 * difficulty))) * duration
    drift = round(24 * difficulty)
    return [_draw_shot(size, start, end, drift, rng) for start, end in pairwise([0.0, *cuts.tolist(), duration])]


def _draw_shot(size: tuple[int, int], start: float, end: float, drift: int, rng: np.random.Generator) -> Shot:
    light, tint = rng.normal(0, 22, (5, 8, 1)), rng.normal(0, 8, (5, 8, 3))
    blots = (rng.uniform(80, 130) + rng.normal(0, 14, 3) + light + tint).clip(10, 200).astype(np.uint8)
    larger = size[0] + drift, size[1] + drift
    texture = np.asarray(Image.fromarray(blots).resize(larger, Image.Resampling.BICUBIC))
    return Shot(start, end, texture, rng.uniform(0, drift, (2, 2)), size)
