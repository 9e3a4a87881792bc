"""Features made by hand, without any weights: colours and edges of what moves, and the spectrum of the sound."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from avel.errors import UserError
from avel.extraction.encoder import Encoded, Kept, Spans
from avel.extraction.encoders.appearance import (
    COLOURS,
    EDGES,
    GROUPS,
    colour_bins,
    colour_groups,
    edge_bins,
    foreground,
    interior,
    median,
    relight,
)
from avel.extraction.encoders.camera import align
from avel.extraction.encoders.mel import log_mel, outstanding
from avel.extraction.encoders.outline import FORM, PARTS, Outline
from avel.extraction.pictures import Pixels
from avel.extraction.sound import Samples

SHORTEST = 0.1
"""Seconds; shorter windows hold too few pictures and spectra."""
MARGIN = 0.003
"""Share of a picture: the histograms of a foreground that is not much larger fade."""
SELDOM = 0.35
"""Share of the surroundings that are quieter than the background of a sound."""


@dataclass(frozen=True)
class SpectralPictures:
    """What stands out from the background: its colours, its edges, which colours are where in it, its form and motion.

    The background is the median of pictures a second apart, `context` seconds to both sides, moved to where the camera
    looks now and in the light of each picture. Channels are scaled to be about as large as 1. Meant for a camera that
    stands still or turns slowly, and for little training data.

    Attributes:
        window: seconds that a step covers.
        hop: seconds between two steps.
        rate: pictures per second that are looked at.
        context: seconds on both sides from which the background is taken.
        pixels: of a picture; its shape is kept.
    """

    window: float = 0.5
    hop: float = 0.25
    rate: float = 8.0
    context: float = 12.0
    pixels: int = 96 * 64

    name: ClassVar[str] = "spectral_pictures"
    width: ClassVar[int] = COLOURS + 2 * EDGES + PARTS**2 * GROUPS + FORM + 2
    shape: ClassVar[tuple[int, ...]] = (width,)

    def __post_init__(self) -> None:
        _check_times(self)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return asdict(self)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Keep the shape of a picture."""
        scale = math.sqrt(self.pixels / (width * height))
        return max(round(width * scale), 8), max(round(height * scale), 8)

    def preprocess(self, pictures: Pixels) -> Kept:
        """Put the bins of colour and of edges at two scales behind the channels, (n, H, W, 6)."""
        bins = colour_bins(pictures), edge_bins(pictures, distance=1), edge_bins(pictures, distance=2)
        return np.concatenate([pictures, np.stack(bins, axis=-1)], axis=-1)

    def encode(self, samples: Kept, spans: Spans) -> Encoded:
        """Describe each step on its own."""
        around = surroundings(spans, len(samples), round(self.rate), round(self.context))
        steps = [self._step(samples[slice(*span)], samples[near]) for span, near in zip(spans, around, strict=True)]
        return np.array(steps, np.float32)

    def _step(self, samples: Kept, around: Kept) -> npt.NDArray[np.float64]:
        pictures, (colours, near, far) = samples[..., :3], np.moveaxis(samples[..., 3:], -1, 0)
        background = median(align(around[..., :3], pictures[len(pictures) // 2]))
        weights = foreground(pictures, relight(background, pictures))
        outline = Outline.of(weights)
        places = outline.parts(*weights.shape[1:]) * GROUPS + colour_groups(colours)
        motion = np.abs(np.diff(pictures.astype(np.int16), axis=0)).mean() if len(pictures) > 1 else 0.0
        return np.concatenate(
            [
                _histogram(colours, weights, COLOURS),
                _histogram(near, interior(weights, distance=1), EDGES),
                _histogram(far, interior(weights, distance=2), EDGES),
                _histogram(places, weights, PARTS**2 * GROUPS),
                outline.form(),
                [(np.log(weights.mean() + 1e-3) + 4) / 2, np.log(motion + 0.1)],
            ]
        )


@dataclass(frozen=True)
class SpectralSound:
    """Logarithmic mel spectrum of a step, and what stands out from the background.

    In five parts of `bands` channels: the spectrum, however loud; its deviation over time; how rough it is; how it
    changes from the first half to the second; and which share of what stands out lies in which band. Then how loud the
    step is, and how much louder than the background: than what about two thirds of the seconds exceed, `context` to
    both sides. Channels are scaled to be about as large as 1.

    Attributes:
        window: seconds that a step covers.
        hop: seconds between two steps.
        rate: samples per second.
        bands: of the spectrum.
        context: seconds on both sides from which the background is taken.
    """

    window: float = 0.5
    hop: float = 0.25
    rate: int = 16000
    bands: int = 64
    context: float = 12.0

    name: ClassVar[str] = "spectral_sound"

    def __post_init__(self) -> None:
        _check_times(self)

    @property
    def width(self) -> int:
        """Channels."""
        return 5 * self.bands + 2

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a step's features."""
        return (self.width,)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return asdict(self)

    def preprocess(self, sound: Samples) -> Kept:
        """Keep the samples."""
        return sound

    def encode(self, samples: Kept, spans: Spans) -> Encoded:
        """Describe each step on its own."""
        size = int(spans[0, 1] - spans[0, 0])
        around = surroundings(spans, len(samples) - size + 1, round(self.rate), round(self.context))
        begins, places = np.unique(np.concatenate([spans[:, :1], around], axis=1), return_inverse=True)
        spectra = [log_mel(samples[first : first + size], rate=self.rate, bands=self.bands) for first in begins]
        levels = np.stack([spectrum.mean(axis=0) for spectrum in spectra])
        places = places.reshape(len(spans), -1)
        return np.stack([self._step(spectra[own], _quiet(levels[near])) for own, *near in places])

    def _step(self, spectrum: Encoded, background: Encoded) -> Encoded:
        mean, first, second = spectrum.mean(axis=0), *(half.mean(axis=0) for half in np.array_split(spectrum, 2))
        loudness, usual = (np.log(np.exp(level).sum()) for level in (mean, background))
        return np.concatenate(
            [
                (mean - loudness + 4) / 2,
                (spectrum.std(axis=0) - 0.8) * 1.5,
                (np.abs(np.diff(spectrum, axis=0)).mean(axis=0) - 0.8) * 2,
                (second - first) / 2,
                np.sqrt(outstanding(mean, background) * self.bands),
                [(loudness + 4) / 3, (loudness - usual) / 2],
            ]
        )


def surroundings(spans: Spans, count: int, second: int, seconds: int) -> npt.NDArray[np.int64]:
    """Return which samples lie whole seconds before and behind the beginning of each step.

    Time is mirrored where the samples begin and end.

    Args:
        spans: of the steps, (T, 2).
        count: number of samples.
        second: samples in a second.
        seconds: how many to both sides.

    Returns:
        Indices, (T, 2 * seconds + 1).
    """
    last = max(count - 1, 1)
    wanted = spans[:, :1] + second * np.arange(-seconds, seconds + 1)
    return np.minimum(np.abs((wanted + last) % (2 * last) - last), count - 1)


def _quiet(levels: Encoded) -> Encoded:
    """Return the background of levels (K, bands): in each band, the one that few are below."""
    rank = round(SELDOM * (len(levels) - 1))
    return np.partition(levels, rank, axis=0)[rank]


def _histogram(bins: npt.NDArray[np.integer[Any]], weights: npt.NDArray[Any], count: int) -> npt.NDArray[np.float64]:
    """Roots of the shares of the bins (as in Hellinger's distance), with a mean square of 1 if there is much weight."""
    shares = np.bincount(bins.ravel(), weights.ravel(), count) / (weights.sum() + MARGIN * weights.size)
    return np.sqrt(shares * count)


def _check_times(encoder: SpectralPictures | SpectralSound) -> None:
    if not (encoder.window >= SHORTEST and encoder.hop > 0 and encoder.context >= 0):
        raise UserError(
            f"encoder {encoder.name}: window={encoder.window} must be at least {SHORTEST} s, hop={encoder.hop} above 0"
            f" and context={encoder.context} not below 0"
        )
