"""What happens to a sample between file and batch: the training crop and the one-modality ablation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor

from avel.batch import Sample
from avel.errors import UserError

TRIALS = 200
"""Windows that are tried before one without events is accepted."""

MODALITIES = ("both", "audio", "visual")


@dataclass(frozen=True, slots=True)
class RandomCrop:
    """Cuts a random window out of a training sample (ActionFormer, Zhang et al., ECCV 2022).

    A video longer than the allowed length is truncated to it; a shorter one is cropped to a random share of
    its length. The window must keep at least one event; events are clipped to it, those that lose too much
    are dropped.

    Attributes:
        ratio: smallest and largest share of a short video that is kept; None keeps it whole.
        keep_ratio: share of an event that must lie in the window.

    Raises:
        UserError: a share is not within 0..1, or smallest and largest are swapped.
    """

    ratio: tuple[float, float] | None = (0.9, 1.0)
    keep_ratio: float = 0.5

    def __post_init__(self) -> None:
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
        size = self._size(length, max_length, random)
        if size == length:
            return sample
        for _ in range(TRIALS):
            start = random.randint(0, length - size)
            segments, kept = clip_events(sample.segments, start, size, keep_ratio=self.keep_ratio)
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

    def _size(self, length: int, max_length: int, random: Random) -> int:
        if length > max_length:
            return max_length
        if self.ratio is None:
            return length
        smallest, largest = (max(round(share * length), 1) for share in self.ratio)
        return random.randint(smallest, largest)


def clip_events(segments: Tensor, start: int, size: int, *, keep_ratio: float) -> tuple[Tensor, Tensor]:
    """Clip events to the window [start, start + size] and count time from its start.

    Args:
        segments: (N, 2) in snippets.
        start: first snippet of the window.
        size: its length in snippets.
        keep_ratio: share of an event that must lie in the window.

    Returns:
        The clipped events, (N, 2), and which of them keep enough of their length, (N,) bool.
    """
    clipped = segments.clamp(start, start + size)
    kept = (clipped[:, 1] - clipped[:, 0]) / (segments[:, 1] - segments[:, 0]) >= keep_ratio
    return clipped - start, kept


def keep_modality(sample: Sample, modality: str) -> Sample:
    """Zero the features of the other modality ("both" keeps both); widths stay, so methods need not know."""
    if modality == "audio":
        return replace(sample, visual=torch.zeros_like(sample.visual))
    if modality == "visual":
        return replace(sample, audio=torch.zeros_like(sample.audio))
    return sample
