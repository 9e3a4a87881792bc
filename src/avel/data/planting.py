"""Plants events into synthetic features: an event is where a class is seen, heard, or both at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from avel.batch import TimeGrid
from avel.data.annotations import VideoAnnotation
from avel.data.synthetic_annotations import stable_rng

Array = npt.NDArray[np.float32]

Shown = Literal["both", "seen", "heard"]

SMOOTHNESS = 0.8
"""Correlation of the slow noise between two snippets."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a class shows, in seconds."""

    label: int
    start: float
    end: float

    def meets(self, other: Span) -> bool:
        """Whether both are of the same class and overlap."""
        return self.label == other.label and self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Planter:
    """Makes the features of annotated videos.

    Every class has a visual and an audio signature, random unit vectors. Its events show both; distractors (a
    picture without its sound, a sound without its picture, of the video's classes and of others) show one.
    Events that are only seen, or only heard, have no distractors in their own modality: any picture, or any sound, of
    a class is one. All lie in noise of unit variance per channel, half of it slow.

    Attributes:
        class_names: names of the classes; they choose the signatures.
        visual_dim: channels of the visual features.
        audio_dim: channels of the audio features.
        grid: where the snippets lie in time.
        difficulty: 0 (clear) to 1 (hard): how weak the signatures and how many the distractors are.
        seed: of everything.
        shown: what events are: "both" seen and heard, "seen" or "heard".
    """

    class_names: tuple[str, ...]
    visual_dim: int
    audio_dim: int
    grid: TimeGrid
    difficulty: float
    seed: int
    shown: Shown = "both"

    @property
    def strength(self) -> float:
        """Length of a signature in standard deviations of the noise."""
        return 7.0 - 5.0 * self.difficulty

    @property
    def distractors(self) -> float:
        """Distractors per event in each modality, on average."""
        return 4.0 + 2.0 * self.difficulty

    def features(self, annotation: VideoAnnotation) -> tuple[Array, Array]:
        """Return the visual (T, D_visual) and audio (T, D_audio) features; seed and id decide all chance."""
        rng = stable_rng(self.seed, "features", annotation.video)
        times = annotation.segments.tolist()
        events = [Span(label, *time) for label, time in zip(annotation.labels.tolist(), times, strict=True)]
        pictures = [] if self.shown == "seen" else self._distractors(rng, annotation.duration, events, avoid=events)
        # a sound that met a picture of its class would be an event that nobody annotated
        avoid = events + pictures
        sounds = [] if self.shown == "heard" else self._distractors(rng, annotation.duration, events, avoid=avoid)
        seen = pictures if self.shown == "heard" else events + pictures
        heard = sounds if self.shown == "seen" else events + sounds
        steps = int((annotation.duration * self.grid.fps - self.grid.window) // self.grid.stride) + 1
        visual = signatures(self.class_names, "visual", self.visual_dim, self.seed)
        audio = signatures(self.class_names, "audio", self.audio_dim, self.seed)
        return self._render(rng, seen, max(steps, 1), visual), self._render(rng, heard, max(steps, 1), audio)

    def _distractors(
        self, rng: np.random.Generator, duration: float, events: Sequence[Span], *, avoid: Sequence[Span]
    ) -> list[Span]:
        mean, classes = self.distractors, len(self.class_names)
        return draw_distractors(rng, duration, events, avoid=avoid, classes=classes, mean=mean)

    def _render(self, rng: np.random.Generator, spans: Sequence[Span], steps: int, basis: Array) -> Array:
        noise = _white_noise(rng, steps, basis.shape[1]) + _slow_noise(rng, steps, basis.shape[1])
        loudness = self.strength * rng.lognormal(sigma=0.25, size=len(spans))
        flutter = 1 + 0.25 * _slow_noise(rng, steps, len(spans))
        envelope = (loudness * flutter * coverage(self.grid, steps, spans)).astype(np.float32)
        labels = np.array([span.label for span in spans], dtype=np.int64)
        return noise * np.float32(np.sqrt(0.5)) + envelope @ basis[labels]


def draw_distractors(
    rng: np.random.Generator,
    duration: float,
    events: Sequence[Span],
    *,
    avoid: Sequence[Span],
    classes: int,
    mean: float,
) -> list[Span]:
    """Draw spans that look like events; half of them are of the events' classes.

    Args:
        rng: draws.
        duration: length of the video in seconds.
        events: of the video.
        avoid: what they must not meet, nor each other.
        classes: number of classes.
        mean: tries per event (for a video without any: in all), on average.
    """
    spans: list[Span] = []
    own = [event.label for event in events]
    lengths = [event.end - event.start for event in events] or [duration / 4]
    for _ in range(rng.poisson(mean * max(len(events), 1))):
        anything = rng.integers(classes)
        label = int(rng.choice(own) if own and rng.random() < 0.5 else anything)
        # as long as the events, or length alone would give them away
        length = rng.choice(lengths) * rng.uniform(0.7, 1.0)
        start = rng.uniform(0, duration - length)
        span = Span(label, start, start + length)
        if not any(span.meets(other) for other in (*avoid, *spans)):
            spans.append(span)
    return spans


@cache
def signatures(class_names: tuple[str, ...], modality: str, width: int, seed: int) -> Array:
    """Return the unit vectors of the classes in one modality, (C, width)."""
    rows = [stable_rng(seed, "signature", modality, name).normal(size=width) for name in class_names]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


def coverage(grid: TimeGrid, steps: int, spans: Sequence[Span]) -> npt.NDArray[np.float64]:
    """Return how much of each span a snippet's window sees, (steps, spans): 1 if all that fits into it."""
    left = (np.arange(steps) * grid.stride / grid.fps)[:, None]
    window = grid.window / grid.fps
    start = np.array([span.start for span in spans])
    end = np.array([span.end for span in spans])
    overlap = np.minimum(left + window, end) - np.maximum(left, start)
    seen: npt.NDArray[np.float64] = np.maximum(overlap, 0) / np.minimum(window, end - start)
    return seen


def _white_noise(rng: np.random.Generator, steps: int, width: int) -> Array:
    return rng.standard_normal((steps, width), dtype=np.float32)


def _slow_noise(rng: np.random.Generator, steps: int, width: int) -> Array:
    """Autoregressive noise of unit variance, (steps, width)."""
    noise = _white_noise(rng, steps, width)
    noise[1:] *= np.float32(np.sqrt(1 - SMOOTHNESS**2))
    for t in range(1, steps):
        noise[t] += SMOOTHNESS * noise[t - 1]
    return noise
