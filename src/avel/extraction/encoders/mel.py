"""The spectrum of sound in mel bands."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from avel.extraction.sound import Samples

Floats = npt.NDArray[np.float32]

FRAME, SHIFT = 0.025, 0.01
"""Seconds that a spectrum covers, and between two of them."""
LOWEST = 50.0
"""Hz at which the lowest band begins; the highest ends at half the rate."""
QUIET = 1e-7
"""Power that is taken for silence."""
CLEARLY = 1.5
"""Times the power of the background from which on something stands out."""
FADING = 0.3
"""Times the power of the background: shares of what is not much louder fade."""


def log_mel(sound: Samples, *, rate: int, bands: int) -> Floats:
    """Return the logarithmic power of (N,) samples in mel bands, (frames, bands): only frames that lie in them."""
    frame, shift = round(FRAME * rate), round(SHIFT * rate)
    frames = np.lib.stride_tricks.sliding_window_view(sound, frame)[::shift]
    size = 1 << (frame - 1).bit_length()
    power = np.abs(np.fft.rfft(frames * np.hanning(frame).astype(np.float32), size)) ** 2 / frame
    return np.log(power @ mel_filters(rate, bands, size) + QUIET).astype(np.float32)


def outstanding(level: Floats, background: Floats) -> Floats:
    """Return which share of the power above a background lies in which band.

    Shares fade where nothing stands out, and do not depend on how loud the recording is.

    Args:
        level: logarithmic power, (bands,).
        background: the same, of what is always there.

    Returns:
        (bands,), not negative; their sum is 1 at most.
    """
    present, always = np.exp(level), np.exp(background)
    above = np.maximum(present - CLEARLY * always, 0)
    return above / (above.sum() + FADING * always.sum())


@cache
def mel_filters(rate: int, bands: int, size: int) -> Floats:
    """Return triangular filters over the frequencies of a transform of `size` samples, (size // 2 + 1, bands)."""
    low, high = (2595 * np.log10(1 + frequency / 700) for frequency in (LOWEST, rate / 2))
    edges = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    frequency = (np.arange(size // 2 + 1) * rate / size)[:, None]
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)
