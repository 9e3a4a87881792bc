"""The box around a foreground, and where in it its pixels lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

PARTS = 3
"""Of a box, along each of its sides."""
REACH = 1.9
"""Standard deviations from the middle of a box to its sides: an even foreground (1.7) lies in it."""
LEAST = 0.002
"""Share of a picture: a smaller foreground has no form."""
FORM = 2
"""Numbers that tell the form of a foreground."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Where the foreground of N pictures lies.

    Attributes:
        middle: its centre of gravity in pixels, down and right, (N, 2).
        spread: standard deviations of its pixels around it, in pixels, (N, 2).
        mass: its size in pixels, (N,).
        pixels: of a picture.
    """

    middle: Floats
    spread: Floats
    mass: Floats
    pixels: int

    @classmethod
    def of(cls, weights: Floats) -> Outline:
        """Measure foregrounds (N, H, W)."""
        mass = weights.sum(axis=(1, 2))
        moments = [_moments(weights.sum(axis=3 - axis)) for axis in (1, 2)]
        middle, spread = (np.stack(of_axes, axis=1) for of_axes in zip(*moments, strict=True))
        return cls(middle, spread, mass, weights[0].size)

    def parts(self, height: int, width: int) -> npt.NDArray[np.intp]:
        """Return in which part of its box each pixel lies, row by row, (N, H, W); what is outside, in the nearest."""
        down, right = (self._along(axis, count) for axis, count in enumerate((height, width)))
        return down[:, :, None] * PARTS + right[:, None, :]

    def form(self) -> Floats:
        """Return how wide the foreground is for its height and how much of its box it fills, on average, (FORM,)."""
        height, width = self.spread.T
        fill = self.mass / (12 * height * width)  # 1: an even rectangle
        large = self.mass > LEAST * self.pixels
        form: Floats = np.stack([np.log(width / height), fill], axis=1)
        return np.where(large[:, None], form, 0).mean(axis=0)

    def _along(self, axis: int, count: int) -> npt.NDArray[np.intp]:
        place = (np.arange(count) - self.middle[:, axis, None]) / (REACH * self.spread[:, axis, None])
        return ((place + 1) * PARTS / 2).clip(0, PARTS - 1).astype(np.intp)


def _moments(profile: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the positions in profiles (N, L), (N,) each; the latter at least 1."""
    mass, position = profile.sum(axis=1) + 1e-6, np.arange(profile.shape[1])
    mean = (profile * position).sum(axis=1) / mass
    variance = (profile * (position - mean[:, None]) ** 2).sum(axis=1) / mass
    return mean, np.sqrt(variance + 1)
