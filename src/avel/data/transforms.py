"""What happens to a sample between file and batch: resizing, training crop and noise, the one-modality ablation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from avel.batch import Sample, TimeGrid
from avel.errors import UserError, check_choice

TRIALS = 200
"""Windows that are tried before one without events is accepted."""

MODALITIES = ("both", "audio", "visual")

Margin = Literal["none", "half_window"]


@dataclass(frozen=True, slots=True)
class RandomCrop:
    """Cuts a random window out of a training sample (ActionFormer, Zhang et al., ECCV 2022).

    A video longer than the allowed length is truncated to it; a shorter one is cropped to a random share of
    its length. The window must keep at least one event; events are clipped to it, those that lose too much
    are dropped.

    Attributes:
        ratio: smallest and largest share of a short video that is kept; None keeps it whole.
        keep_ratio: share of an event that must lie in the window; 0: any part of it.
        margin: how far an event may reach beyond the window: not at all ("none"), or by the half of the frames that
            its outer snippets see ("half_window", the readers of ActionFormer and UniAV).
        clip_first: clip events to what the whole video's features show before anything else, and drop those of which
            less than `keep_ratio` shows (the same papers' readers of ActivityNet).

    Raises:
        UserError: a share is not within 0..1, smallest and largest are swapped, or an unknown margin.
    """

    ratio: tuple[float, float] | None = (0.9, 1.0)
    keep_ratio: float = 0.5
    margin: Margin = "none"
    clip_first: bool = False

    def __post_init__(self) -> None:
        check_choice("data.crop.margin", self.margin, get_args(Margin))
        low, high = self.ratio or (1.0, 1.0)
        if not (0 <= low <= high <= 1 and 0 <= self.keep_ratio <= 1):
            raise UserError(
                f"data.crop: ratio={self.ratio} must be [smallest, largest] and keep_ratio={self.keep_ratio}"
                " a number, all within 0..1"
            )

    def __call__(self, sample: Sample, *, max_length: int, random: Random) -> Sample:
        """Return a window of at most `max_length` snippets; `random` is the only source of chance.

        After 200 windows without an event the last one is returned, with no events.
        """
        length = len(sample.visual)
        if self.clip_first:
            segments, kept = self._clip(sample, 0, length)
            sample = replace(sample, segments=segments[kept], labels=sample.labels[kept])
        size = self._size(length, max_length, random)
        if size == length:
            return sample
        for _ in range(TRIALS):
            start = random.randint(0, length - size)
            segments, kept = self._clip(sample, start, size)
            if kept.any() or not len(kept):
                break
        window = slice(start, start + size)
        return replace(
            sample,
            visual=sample.visual[window],
            audio=sample.audio[window],
            segments=segments[kept],
            labels=sample.labels[kept],
        )

    def _clip(self, sample: Sample, start: int, size: int) -> tuple[Tensor, Tensor]:
        margin = 0.5 * sample.grid.window / sample.grid.stride if self.margin == "half_window" else 0.0
        return clip_events(sample.segments, start, size, keep_ratio=self.keep_ratio, margin=margin)

    def _size(self, length: int, max_length: int, random: Random) -> int:
        if length > max_length:
            return max_length
        if self.ratio is None:
            return length
        smallest, largest = (max(round(share * length), 1) for share in self.ratio)
        return random.randint(smallest, largest)


@dataclass(frozen=True, slots=True)
class FeatureNoise:
    """Adds Gaussian noise to the features of a training sample, against learning few videos by heart.

    Attributes:
        scale: standard deviation of the noise, relative to that of each channel over its whole video; channels that
            never change, such as those of an absent modality, stay as they are.

    Raises:
        UserError: the scale is no number from 0 on.
    """

    scale: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.scale < math.inf:
            raise UserError(f"data.noise={self.scale}: give a number from 0 (no noise) on")

    def __call__(self, sample: Sample, *, whole: Sample, random: Random) -> Sample:
        """Return a sample with noise; `whole` is its video uncropped, `random` the only source of chance."""
        if self.scale == 0:
            return sample
        generator = torch.Generator().manual_seed(random.getrandbits(63))
        return replace(
            sample,
            visual=self._add(sample.visual, whole.visual, generator),
            audio=self._add(sample.audio, whole.audio, generator),
        )

    def _add(self, features: Tensor, whole: Tensor, generator: torch.Generator) -> Tensor:
        spread = self.scale * whole.std(dim=0, correction=0)
        return features + spread * torch.randn(features.shape, generator=generator)


def clip_events(
    segments: Tensor, start: int, size: int, *, keep_ratio: float, margin: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Clip events to the window [start - margin, start + size + margin] and count time from `start`.

    Args:
        segments: (N, 2) in snippets.
        start: first snippet of the window.
        size: its length in snippets.
        keep_ratio: share of an event that must lie in the window; 0: any part of it.
        margin: snippets by which an event may reach beyond it.

    Returns:
        The clipped events, (N, 2), and which of them keep enough of their length, (N,) bool.
    """
    clipped = segments.clamp(start - margin, start + size + margin)
    share = (clipped[:, 1] - clipped[:, 0]) / (segments[:, 1] - segments[:, 0])
    return clipped - start, (share >= keep_ratio) & (share > 0)


def keep_modality(sample: Sample, modality: str) -> Sample:
    """Zero the features of the other modality ("both" keeps both); widths stay, so methods need not know."""
    if modality == "audio":
        return replace(sample, visual=torch.zeros_like(sample.visual))
    if modality == "visual":
        return replace(sample, audio=torch.zeros_like(sample.audio))
    return sample


def resize(visual: Tensor, audio: Tensor, grid: TimeGrid, length: int) -> tuple[Tensor, Tensor, TimeGrid]:
    """Stretch or squeeze a video's features to `length` snippets, linearly in time (boundary matching network, BMN).

    The frames that the features saw, from the first one's first to the last one's last, are divided evenly: a snippet
    then sees just its share of them.

    Args:
        visual: (T, D_visual).
        audio: (T, D_audio).
        grid: where the T snippets lie in time.
        length: L.

    Returns:
        Visual (L, D_visual) and audio (L, D_audio) features, and where the L snippets lie in time.
    """
    share = ((len(visual) - 1) * grid.stride + grid.window) / length
    resized_grid = TimeGrid(fps=grid.fps, stride=share, window=share)
    return _resize(visual, length), _resize(audio, length), resized_grid


def _resize(features: Tensor, length: int) -> Tensor:
    if not features.shape[1]:
        return features.new_empty(length, 0)
    return interpolate(features.T[None], size=length, mode="linear", align_corners=False)[0].T
