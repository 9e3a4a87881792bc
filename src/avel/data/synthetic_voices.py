"""What rendered classes sound like: each voice has its own timbre and rhythm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float32]

FADE = 0.01
"""Seconds in which a sound sets in and out, or it would click."""

TAU = np.float32(2 * np.pi)


@dataclass(frozen=True, slots=True)
class Voice:
    """What a class sounds like.

    Attributes:
        name: one of `VOICES`.
        pitch: factor of its frequencies.
    """

    name: str
    pitch: float


def _sine(t: Signal, frequency: float) -> Signal:
    return np.sin(TAU * np.float32(frequency) * t)


def _saw(t: Signal, frequency: float) -> Signal:
    return 2 * (t * np.float32(frequency) % 1) - 1


def _beats(t: Signal, rate: float) -> Signal:
    """Seconds since the last of `rate` beats per second."""
    return t % np.float32(1 / rate)


def _struck(t: Signal, rate: float, decay: float) -> Signal:
    """Loudness of something that is struck `rate` times per second."""
    return np.exp(_beats(t, rate) * np.float32(-1 / decay))


def _ringing(t: Signal, pitch: float, rng: np.random.Generator) -> Signal:
    partials = np.stack([_sine(t, 620 * pitch * ratio) / ratio for ratio in (1, 2.76, 5.4)])
    return partials.sum(0) * _struck(t, 2.2, 0.18)


def _humming(t: Signal, pitch: float, rng: np.random.Generator) -> Signal:
    wobbling = t + np.float32(0.004) * _sine(t, 5)
    return np.stack([_sine(wobbling, 120 * pitch * n) / n for n in range(1, 7)]).sum(0)


def _beeping(t: Signal, pitch: float, rng: np.random.Generator) -> Signal:
    return np.sign(_sine(t, 880 * pitch)) * (_beats(t, 3) < 1 / 6)


def _chirping(t: Signal, pitch: float, rng: np.random.Generator) -> Signal:
    beat = _beats(t, 4.5)
    return np.sin(TAU * np.float32(pitch) * (1400 * beat + 5500 * beat**2)) * (beat < 0.14)


def _buzzing(t: Signal, pitch: float, rng: np.random.Generator) -> Signal:
    return _saw(t, 210 * pitch) * (1 + _sine(t, 24))


def _ticking(t: Signal, pitch: float, rng: np.random.Generator) -> Signal:
    return rng.standard_normal(len(t), np.float32) * _struck(t, 6 * pitch, 0.008)


def _whistling(t: Signal, pitch: float, rng: np.random.Generator) -> Signal:
    return np.sin(TAU * np.float32(1150 * pitch) * t + np.float32(180) * _sine(t, 1.1))


def _hissing(t: Signal, pitch: float, rng: np.random.Generator) -> Signal:
    noise = rng.standard_normal(len(t), np.float32)
    return np.diff(noise, prepend=np.float32(0)) * (1.05 + _sine(t, 1.4 * pitch))


VOICES: dict[str, Callable[[Signal, float, np.random.Generator], Signal]] = {
    "ringing": _ringing,
    "humming": _humming,
    "beeping": _beeping,
    "chirping": _chirping,
    "buzzing": _buzzing,
    "ticking": _ticking,
    "whistling": _whistling,
    "hissing": _hissing,
}
"""Waves of so many seconds (N,) at some pitch."""


def sound_of(voice: Voice, length: float, rate: int, rng: np.random.Generator) -> Signal:
    """Return `length` seconds of a voice with a mean power of 1, set in and out softly, (length * rate,)."""
    t = np.arange(round(length * rate), dtype=np.float32) / np.float32(rate)
    wave = VOICES[voice.name](t, voice.pitch, rng)
    fade = np.minimum(np.minimum(t, t[::-1]) / np.float32(FADE), 1)
    return (wave / np.sqrt(np.mean(wave**2)) * fade).astype(np.float32)


def background(length: float, rate: int, rng: np.random.Generator) -> Signal:
    """Return noise with a mean power of 1, more of it in the depth, of slowly changing loudness."""
    count = round(length * rate)
    size = 4096 * -(-count // 4096)  # numbers with large prime factors would take long
    spectrum = np.fft.rfft(rng.standard_normal(size, np.float32))
    spectrum /= np.sqrt(np.arange(len(spectrum), dtype=np.float32) + np.float32(40 * length))
    noise = np.fft.irfft(spectrum)[:count]
    loudness = np.interp(np.linspace(0, 8, count), np.arange(9), rng.uniform(0.6, 1.4, 9))
    noise = noise * loudness
    return (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)
