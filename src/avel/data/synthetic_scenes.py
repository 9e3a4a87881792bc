"""Scenes of rendered clips: who is seen and heard when, before which background, in how much noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from avel.data.annotations import VideoAnnotation
from avel.data.planting import Span, draw_distractors
from avel.data.synthetic_annotations import stable_rng
from avel.data.synthetic_backgrounds import draw_shots
from avel.data.synthetic_classes import CLASSES
from avel.data.synthetic_looks import Actor, Look, Pixels
from avel.data.synthetic_voices import Signal, background, sound_of

WIDTH, HEIGHT = 192, 112
FRAME_RATES = (Fraction(15), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(30))
SAMPLE_RATES = (22050, 32000, 44100)
LOUDNESS = 0.07
"""Root mean square of an event's sound."""
NOISES = 16
"""Pictures of noise that take turns."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a clip shows and sounds like.

    Attributes:
        duration: seconds.
        difficulty: 0 to 1: how much noise there is, how many distractors, how restless the background is.
        fps: pictures per second.
        rate: samples per second.
        channels: of the sound.
        seen: when which class is seen: events and distractors.
        heard: when which class is heard: events and others.
        key: seed of all further chance.
    """

    duration: float
    difficulty: float
    fps: Fraction
    rate: int
    channels: int
    seen: tuple[Span, ...]
    heard: tuple[Span, ...]
    key: tuple[int, str]

    def pictures(self) -> Iterator[Pixels]:
        """Give the pictures, (HEIGHT, WIDTH, 3); number k shows the time in its middle, (k + 0.5) / fps."""
        rng = self._rng("pictures")
        actors = [self._actor(span, rng) for span in self.seen]
        strength = 2 + 10 * self.difficulty
        noises = rng.normal(0, strength, (NOISES, HEIGHT, WIDTH, 1)).astype(np.int16)
        flicker, pace = 12 * self.difficulty, rng.uniform(0.1, 0.6)
        shots = draw_shots((WIDTH, HEIGHT), self.duration, self.difficulty, rng)
        for number in range(-int(-self.duration * self.fps // 1)):
            time = float((number + Fraction(1, 2)) / self.fps)
            picture = next(shot for shot in reversed(shots) if shot.start <= time).at(time)
            for actor in actors:
                actor.paint(picture, time)
            light = int(flicker * np.sin(2 * np.pi * pace * time))
            yield np.clip(picture + (noises[number * 7 % NOISES] + light), 0, 255).astype(np.uint8)

    def sound(self) -> Signal:
        """Return the sound, (channels, N) in [-1, 1]."""
        rng = self._rng("sound")
        below = 10 ** (-(22 - 16 * self.difficulty) / 20)  # the noise under the events
        mix = np.tile(LOUDNESS * below * background(self.duration, self.rate, rng), (self.channels, 1))
        for span in self.heard:
            voice = CLASSES[span.label].voice
            wave = sound_of(voice, span.end - span.start, self.rate, rng)
            start = round(span.start * self.rate)
            place = mix[:, start : start + len(wave)]
            balance = rng.uniform(0.6, 1.4, (self.channels, 1)) * rng.lognormal(0, 0.25)
            place += (LOUDNESS * balance * wave[: place.shape[1]]).astype(np.float32)
        return np.clip(mix, -1, 1)

    def _actor(self, span: Span, rng: np.random.Generator) -> Actor:
        look = CLASSES[span.label].look
        spread = 6 + 26 * self.difficulty
        red, green, blue = (int(np.clip(value + rng.uniform(-spread, spread), 0, 255)) for value in look.colour)
        x, y = rng.uniform(-0.8, 0.8, 2)
        return Actor(
            look=Look(look.shape, (red, green, blue), look.motion),
            start=span.start,
            end=span.end,
            home=(float(x), float(y)),
            reach=float(rng.uniform(0.6, 1.0)),
            radius=float(rng.uniform(0.13, 0.19) * HEIGHT),
            pace=float(rng.uniform(0.85, 1.2)),
            phase=float(rng.uniform(0, 10)),
        )

    def _rng(self, what: str) -> np.random.Generator:
        seed, video = self.key
        return stable_rng(seed, what, video)


def draw_scene(annotation: VideoAnnotation, *, classes: int, difficulty: float, seed: int) -> Scene:
    """Draw a scene in which a video's events are seen and heard, others only seen or only heard.

    Args:
        annotation: the video and its events.
        classes: number of classes that distractors may be of, from the first of `CLASSES` on.
        difficulty: 0 (no distractors, little noise) to 1 (hard).
        seed: of everything, together with the id of the video.
    """
    rng = stable_rng(seed, "scene", annotation.video)
    spans = zip(annotation.labels.tolist(), annotation.segments.tolist(), strict=True)
    events = [Span(label, *segment) for label, segment in spans]
    pictures = _distractors(rng, annotation, events, events, classes, difficulty)
    # a sound that met a picture of its class would be an event that nobody annotated
    sounds = _distractors(rng, annotation, events, events + pictures, classes, difficulty)
    return Scene(
        duration=annotation.duration,
        difficulty=difficulty,
        fps=FRAME_RATES[rng.integers(len(FRAME_RATES))],
        rate=SAMPLE_RATES[rng.integers(len(SAMPLE_RATES))],
        channels=int(rng.integers(1, 3)),
        seen=(*events, *pictures),
        heard=(*events, *sounds),
        key=(seed, annotation.video),
    )


def _distractors(
    rng: np.random.Generator,
    annotation: VideoAnnotation,
    events: Sequence[Span],
    avoid: Sequence[Span],
    classes: int,
    difficulty: float,
) -> list[Span]:
    mean = 2.0 * difficulty
    return draw_distractors(rng, annotation.duration, events, avoid=avoid, classes=classes, mean=mean)
