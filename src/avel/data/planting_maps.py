"""Plants events into synthetic clips: 7x7 maps in which the object that sounds has a place, and what is heard.

What is planted decides what can be learned:

- A class has a look (a pattern of visual channels) and a sound (one of audio channels). A few strangers have both and
  belong to no class. Noise and patterns are rectified, as the activations of VGG-19 and VGGish are.
- An event is where the look of a class is seen while its sound is heard. The object is a block of 2x2 positions that
  stays or drifts.
- A second object, of another class, is seen all the time at another place and never heard: only the sound tells which
  one is meant, so attention that does not listen finds the right one half of the time.
- Before and after an event the object is seen but not heard, or heard but not seen, or neither, the same until the
  video ends. So neither modality alone localizes, but same-time pairs match inside the event and nowhere else.
- Where the object is silent, something else may sound; it is never what is seen then.
- A video without any event shows objects and plays sounds that do not match.
- Each video has its own scene, a constant in all positions and snippets: pooling everything is worse than looking.

Difficulty makes the patterns fainter and lets a sound that is not seen play on top of events.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from avel.data.clips import ClipAnnotations, Indices
from avel.data.synthetic_annotations import stable_rng

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SIDE, BLOCK = 7, 2
"""Positions along a side of a map and of an object."""

STRANGERS = 4
"""Patterns that belong to no class."""

ACTIVE = 0.25
"""Share of the channels in which a pattern is active."""

THRESHOLD = 0.4
"""What noise of unit variance must exceed to be heard or seen: two thirds of it become zero, as in VGGish."""

AUDIO_SCALE, AUDIO_LIMIT = 0.4, 4.5
"""Bring the audio features to the range of those that are published with AVE."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is seen and heard in one clip of T snippets: row 0 is the object of the event, row 1 something else.

    Attributes:
        looks: pattern of each object, (2,).
        sounds: pattern of each sound, (2,).
        places: where each object is, visible or not, (2, T, H, W).
        visible: when each object is seen, (2, T).
        audible: when each sound is heard, (2, T).
        event: when the object of the event is both, (T,).
    """

    looks: Indices
    sounds: Indices
    places: Mask
    visible: Mask
    audible: Mask
    event: Mask

    @property
    def sounding(self) -> Mask:
        """Where the object that sounds is in event snippets, (T, H, W); nowhere in others."""
        return self.places[0] & self.event[:, None, None]


@dataclass(frozen=True, slots=True)
class MapPlanter:
    """Makes the features of annotated clips.

    Attributes:
        annotations: the clips; the names of their classes choose the patterns.
        visual_dim: channels of the visual features.
        audio_dim: channels of the audio features.
        difficulty: 0 (clear) to 1 (hard).
        seed: of everything.
    """

    annotations: ClipAnnotations
    visual_dim: int
    audio_dim: int
    difficulty: float
    seed: int

    @property
    def contrast(self) -> float:
        """Height of a pattern in standard deviations of the noise, on average over its active channels."""
        return 7.0 - 5.5 * self.difficulty

    def scene(self, row: int) -> Scene:
        """Return what is seen and heard in the video of a row; seed and id decide all chance."""
        rng = stable_rng(self.seed, "scene", self.annotations.videos[row])
        label, (start, end) = int(self.annotations.classes[row]), self.annotations.segments[row]
        if label == self.annotations.background:
            return self._unmatched(rng)
        seconds = np.arange(self.annotations.snippets)
        event = (start <= seconds) & (seconds < end)
        return self._matched(rng, label, event, gap=(seconds >= end).astype(np.int64))

    def visual(self, row: int) -> Array:
        """Return the visual features of a video, (T, H, W, D_visual)."""
        scene, rng = self.scene(row), stable_rng(self.seed, "visual", self.annotations.videos[row])
        maps = _noise(rng, (self.annotations.snippets, SIDE, SIDE, self.visual_dim))
        heights = self._heights(rng)
        basis = patterns(self.annotations.class_names, "visual", self.visual_dim, self.seed)
        for height, look, places, visible in zip(heights, scene.looks, scene.places, scene.visible, strict=True):
            maps[places & visible[:, None, None]] += height * basis[look]
        return _rectify(maps)

    def audio(self, row: int) -> Array:
        """Return the audio features of a video, (T, D_audio)."""
        scene, rng = self.scene(row), stable_rng(self.seed, "audio", self.annotations.videos[row])
        noise = _noise(rng, (self.annotations.snippets, self.audio_dim))
        basis = patterns(self.annotations.class_names, "audio", self.audio_dim, self.seed)
        sound = (scene.audible.T * self._heights(rng)) @ basis[scene.sounds]
        return np.minimum(_rectify(noise + sound) * np.float32(AUDIO_SCALE), np.float32(AUDIO_LIMIT))

    def place(self, row: int) -> npt.NDArray[np.uint8]:
        """Return 1 where the object that sounds is, in event snippets only, (T, H, W)."""
        return self.scene(row).sounding.astype(np.uint8)

    def _matched(self, rng: np.random.Generator, label: int, event: Mask, gap: Indices) -> Scene:
        known = len(self.annotations.class_names)
        other = (label + rng.integers(1, known)) % known
        sound = rng.choice(np.setdiff1d(np.arange(known + STRANGERS), [label, other]))
        # per gap, 0 before and 1 after the event: seen only, heard only, neither
        kind = rng.choice(3, size=2, p=(0.4, 0.4, 0.2))[gap]
        audible = event | (kind == 1)
        instead = (rng.random(2) < 0.5)[gap] & ~audible
        on_top = audible & (rng.random() < self.difficulty / 2)
        return Scene(
            looks=np.array([label, other]),
            sounds=np.array([label, sound]),
            places=_places(rng, len(event)),
            visible=np.stack([event | (kind == 0), np.ones_like(event)]),
            audible=np.stack([audible, instead | on_top]),
            event=event,
        )

    def _unmatched(self, rng: np.random.Generator) -> Scene:
        total, snippets = len(self.annotations.class_names) + STRANGERS, self.annotations.snippets
        first, second, *sounds = rng.choice(total, size=4, replace=False)
        present = np.repeat(rng.random((2, 2, 1)) < 0.8, snippets, axis=2)
        return Scene(
            looks=np.array([first, second]),
            sounds=np.array(sounds),
            places=_places(rng, snippets),
            visible=present[0],
            audible=present[1],
            event=np.zeros(snippets, dtype=np.bool_),
        )

    def _heights(self, rng: np.random.Generator) -> Array:
        return (self.contrast * rng.lognormal(sigma=0.2, size=2)).astype(np.float32)


@cache
def patterns(class_names: tuple[str, ...], modality: str, width: int, seed: int) -> Array:
    """Return the patterns of the classes and behind them those of strangers, (C + STRANGERS, width).

    Active channels are chosen so that patterns differ much; their heights lie in [0.5, 1.5].
    """
    names = [*class_names, *(f"stranger {number}" for number in range(STRANGERS))]
    chosen = np.zeros((0, width))
    for name in names:
        rng = stable_rng(seed, "pattern", modality, name)
        active = rng.random((32, width)).argsort(axis=1) < max(1, round(ACTIVE * width))
        candidates = active * rng.uniform(0.5, 1.5, size=active.shape)
        units = candidates / np.linalg.norm(candidates, axis=1, keepdims=True)
        likeness = units @ (chosen / np.linalg.norm(chosen, axis=1, keepdims=True)).T
        chosen = np.vstack([chosen, candidates[likeness.max(axis=1, initial=0).argmin()]])
    return chosen.astype(np.float32)


def _places(rng: np.random.Generator, snippets: int) -> Mask:
    """Place two blocks that share no position; they drift together, as if the camera moved."""
    steps = rng.choice([-1, 0, 1], size=(snippets, 2), p=(0.15, 0.7, 0.15)) * (rng.random() < 0.5)
    drift = np.clip(np.cumsum(steps, axis=0), -1, 1)
    low, high = -drift.min(axis=0), SIDE - BLOCK - drift.max(axis=0)
    corners = np.argwhere(np.ones(high - low + 1)) + low
    first = rng.choice(corners)
    second = rng.choice(corners[(abs(corners - first) >= BLOCK).any(axis=1)])
    corner = np.stack([first, second])[:, None] + drift
    # (2, T, axis, position): whether the block covers the position on this axis
    inside = (corner[..., None] <= np.arange(SIDE)) & (np.arange(SIDE) < corner[..., None] + BLOCK)
    return inside[:, :, 0, :, None] & inside[:, :, 1, None, :]


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Noise of unit variance: half of it flickers, the rest stays through time, and half of that everywhere."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise *= np.float32(np.sqrt(0.5))
    for part in (shape[1:], shape[-1:]):
        noise += np.float32(0.5) * rng.standard_normal(part, dtype=np.float32)
    return noise


def _rectify(values: Array) -> Array:
    return np.maximum(values - np.float32(THRESHOLD), 0, out=values)
