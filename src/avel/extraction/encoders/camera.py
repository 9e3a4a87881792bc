"""Undoes what the camera did: pictures of other times are moved to where they match the present one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from avel.extraction.pictures import Pixels

Floats = npt.NDArray[np.floating[Any]]

STILL = 4.0
"""Grey levels by which two pictures differ on average if the camera stands still and little happens."""
MOST = 32.0
"""Grey levels at which a difference stops to count: an object is no reason to move the picture."""
BETTER = 0.6
"""Share of their difference that must remain at most for a picture to be moved."""
OVERLAP = 0.2
"""Share of a picture that the other must cover at least."""


def align(pictures: Pixels, present: Pixels) -> Pixels:
    """Move each picture to where it matches `present` best, by whole pixels; where it stays is no worse, it stays.

    What moves in is black in every other picture and white in the rest, so that medians hardly see it.

    Args:
        pictures: (K, H, W, 3).
        present: (H, W, 3).

    Returns:
        (K, H, W, 3); the same array if nothing moves.
    """
    target, greys = present[..., 1].astype(np.float32), pictures[..., 1].astype(np.float32)  # green is most of grey
    differences = _differ(target, greys)
    suspects = np.flatnonzero(differences > STILL)
    if not len(suspects):
        return pictures
    moved = pictures.copy()
    for place, (down, right) in zip(suspects, offsets(greys[suspects], target), strict=True):
        here, there = overlap(down, right, target.shape)
        enough = target[here].size >= OVERLAP * target.size
        if enough and _differ(target[here], greys[place][there]) < BETTER * differences[place]:
            moved[place] = 255 * (place % 2)
            moved[place][here] = pictures[place][there]
    return moved


def offsets(greys: Floats, target: Floats) -> npt.NDArray[np.int64]:
    """Return how far each of (K, H, W) must be moved down and to the right to match (H, W), (K, 2).

    Phase correlation: Kuglin and Hines, "The phase correlation image alignment method", 1975.
    """
    height, width = target.shape
    taper = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    spectra, wanted = (np.fft.rfft2((x - x.mean(axis=(-2, -1), keepdims=True)) * taper) for x in (greys, target))
    cross = wanted * spectra.conj()
    match = np.fft.irfft2(cross / (np.abs(cross) + np.float32(1e-3)), s=target.shape)
    down, right = np.divmod(match.reshape(len(greys), -1).argmax(axis=1), width)
    return np.stack([_signed(down, height), _signed(right, width)], axis=1)


def overlap(down: int, right: int, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return which part of a picture is covered by another that is moved, and by which part of that one."""
    (here_y, there_y), (here_x, there_x) = _cut(int(down), shape[0]), _cut(int(right), shape[1])
    return (here_y, here_x), (there_y, there_x)


def _cut(move: int, length: int) -> tuple[slice, slice]:
    here, there = slice(max(move, 0), length + min(move, 0)), slice(max(-move, 0), length - max(move, 0))
    return here, there


def _signed(move: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    return np.where(move > length // 2, move - length, move)


def _differ(target: Floats, greys: Floats) -> Floats:
    distance = np.abs(greys[..., ::2, ::2] - target[..., ::2, ::2])  # a quarter of the pixels tells
    return np.minimum(distance, MOST).mean(axis=(-2, -1))
