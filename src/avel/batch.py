"""Samples, batches and the grid of feature time: the only place where shapes are defined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

BatchT = TypeVar("BatchT", "Batch", "ClipBatch")

NO_EVENT = -1
"""Label that fills `Batch.labels` behind a video's last event."""


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Places feature steps (snippets) in time.

    Snippet `t` was computed from the frames `[t * stride, t * stride + window)`; its time is the middle of that window.

    Attributes:
        fps: frames per second of the feature extractor.
        stride: frames between two snippets (may be fractional for resized features).
        window: frames that one snippet sees.
    """

    fps: float
    stride: float
    window: float

    @property
    def hop(self) -> float:
        """Seconds between two snippets."""
        return self.stride / self.fps

    def seen(self, length: int) -> float:
        """Return up to which second `length` snippets see."""
        return ((length - 1) * self.stride + self.window) / self.fps

    def to_seconds(self, snippets: Tensor) -> Tensor:
        """Convert positions on the snippet axis to seconds (any shape)."""
        return (snippets * self.stride + 0.5 * self.window) / self.fps

    def to_snippets(self, seconds: Tensor) -> Tensor:
        """Convert seconds to (fractional, unclipped) positions on the snippet axis (any shape)."""
        return (seconds * self.fps - 0.5 * self.window) / self.stride


@dataclass(slots=True)
class Sample:
    """One video with its features and events.

    Attributes:
        video: the video's id.
        visual: visual features, (T, D_visual) float32.
        audio: audio features, (T, D_audio) float32, same T.
        segments: events as (start, end) in snippets, (N, 2) float32; may reach beyond [0, T].
        labels: class ids, (N,) int64.
        duration: length of the video in seconds.
        grid: where the snippets lie in time.
    """

    video: str
    visual: Tensor
    audio: Tensor
    segments: Tensor
    labels: Tensor
    duration: float
    grid: TimeGrid


@dataclass(slots=True)
class Batch:
    """B videos, padded to the longest.

    Attributes:
        videos: the B ids.
        visual: (B, T, D_visual) float32, zero where padded.
        audio: (B, T, D_audio) float32, zero where padded.
        mask: (B, T) bool, True = valid.
        segments: (B, N, 2) float32 in snippets, zero behind a video's last event.
        labels: (B, N) int64, `NO_EVENT` behind a video's last event.
        durations: (B,) float64 seconds.
        grids: the B time grids.
        task: name of the task that all videos belong to, where a method has several.
    """

    videos: list[str]
    visual: Tensor
    audio: Tensor
    mask: Tensor
    segments: Tensor
    labels: Tensor
    durations: Tensor
    grids: list[TimeGrid]
    task: str = ""

    def __len__(self) -> int:
        return len(self.videos)

    @property
    def lengths(self) -> Tensor:
        """Valid snippets per video, (B,) int64."""
        return self.mask.sum(dim=1)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Return the batch with its tensors on `device`."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory (called by the DataLoader)."""
        return self._map(Tensor.pin_memory)

    def pad_to(self, length: int) -> Batch:
        """Return the batch with its time axis padded (zeros, mask False) to `length` snippets."""
        missing = length - self.mask.shape[1]
        if missing == 0:
            return self
        if missing < 0:
            raise ValueError(f"cannot pad a batch of {self.mask.shape[1]} snippets to {length}")
        pad = torch.nn.functional.pad
        return replace(
            self,
            visual=pad(self.visual, (0, 0, 0, missing)),
            audio=pad(self.audio, (0, 0, 0, missing)),
            mask=pad(self.mask, (0, missing)),
        )

    def windows(self, rows: Sequence[int], starts: Sequence[int], size: int) -> Batch:
        """Cut windows of `size` snippets, window i out of video `rows[i]` from snippet `starts[i]` on.

        Windows are padded where they reach beyond the batch; events are not cut along and stay out.
        """
        row = torch.tensor(rows, device=self.mask.device)
        padded = self.pad_to(max(self.mask.shape[1], max(starts) + size))
        time = torch.tensor(starts, device=self.mask.device)[:, None] + torch.arange(size, device=self.mask.device)
        return Batch(
            videos=[self.videos[i] for i in rows],
            visual=padded.visual[row[:, None], time],
            audio=padded.audio[row[:, None], time],
            mask=padded.mask[row[:, None], time],
            segments=self.segments[row, :0],
            labels=self.labels[row, :0],
            durations=self.durations[row],
            grids=[self.grids[i] for i in rows],
            task=self.task,
        )

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        return map_tensors(self, function)


@dataclass(slots=True)
class DensePrediction:
    """What a dense localizer says about the P points of its pyramid, levels fine to coarse.

    Attributes:
        logits: class logits, (B, P, C).
        offsets: distances >= 0 to start and end in units of the level's stride, (B, P, C, 2) class-aware or (B, P, 2).
        mask: (B, P) bool, True = valid.
    """

    logits: Tensor
    offsets: Tensor
    mask: Tensor


@dataclass(slots=True)
class Clip:
    """One short video of which every snippet has one class; the AVE papers call a snippet of 1 second a "segment".

    Attributes:
        video: the video's id.
        visual: visual features, maps (T, H, W, D_visual) or vectors (T, D_visual), float32.
        audio: audio features, (T, D_audio) float32.
        labels: class of each snippet, (T,) int64; C is background.
        video_label: class of the video; C where none of the classes occurs.
    """

    video: str
    visual: Tensor
    audio: Tensor
    labels: Tensor
    video_label: int


@dataclass(slots=True)
class ClipBatch:
    """B clips of T snippets each.

    Attributes:
        videos: the B ids.
        visual: (B, T, H, W, D_visual) or (B, T, D_visual) float32.
        audio: (B, T, D_audio) float32.
        labels: class of each snippet, (B, T) int64; C is background.
        video_labels: class of each video, (B,) int64; C where none of the classes occurs.
        task: name of the task that all videos belong to, where a method has several.
    """

    videos: list[str]
    visual: Tensor
    audio: Tensor
    labels: Tensor
    video_labels: Tensor
    task: str = ""

    def __len__(self) -> int:
        return len(self.videos)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> ClipBatch:
        """Return the batch with its tensors on `device`."""
        return map_tensors(self, lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> ClipBatch:
        """Return the batch in page-locked memory (called by the DataLoader)."""
        return map_tensors(self, Tensor.pin_memory)


@dataclass(slots=True)
class ClipPrediction:
    """What a segment localizer decides about the T snippets of B clips.

    Attributes:
        labels: class of each snippet, (B, T) int64; C is background.
        scores: how sure it is of each class in each snippet, (B, T, C) in [0, 1].
        attention: where it looks, (B, T, H, W), each map sums to 1.
    """

    labels: Tensor
    scores: Tensor
    attention: Tensor


def map_tensors(batch: BatchT, function: Callable[[Tensor], Tensor]) -> BatchT:
    """Return a copy of a dataclass with all its tensors mapped."""
    tensors = {name: value for name in batch.__slots__ if isinstance(value := getattr(batch, name), Tensor)}
    changed: dict[str, Any] = {name: function(tensor) for name, tensor in tensors.items()}
    return replace(batch, **changed)


def collate_clips(clips: Sequence[Clip]) -> ClipBatch:
    """Stack clips of equal length and equal shape of features."""
    return ClipBatch(
        videos=[clip.video for clip in clips],
        visual=_stack([clip.visual for clip in clips]),
        audio=_stack([clip.audio for clip in clips]),
        labels=torch.stack([clip.labels for clip in clips]),
        video_labels=torch.tensor([clip.video_label for clip in clips]),
    )


def _stack(parts: Sequence[Tensor]) -> Tensor:
    """Stack tensors of one shape; those that lie one behind the other are not copied."""
    first = parts[0]
    memory = first.untyped_storage().data_ptr()
    if all(
        part.is_contiguous()
        and part.untyped_storage().data_ptr() == memory
        and part.data_ptr() == first.data_ptr() + number * first.nbytes
        for number, part in enumerate(parts)
    ):
        return first.as_strided((len(parts), *first.shape), (first.numel(), *first.stride()))
    return torch.stack(list(parts))


def _pad(parts: Sequence[Tensor], length: int) -> Tensor:
    """Stack float32 features (T, D) of different lengths, zeros behind them.

    NumPy asks for huge pages where an array is large: a batch in small ones takes longer to get than to fill.
    """
    padded = torch.from_numpy(np.empty((len(parts), length, parts[0].shape[1]), np.float32))
    for row, part in zip(padded, parts, strict=True):
        row[: len(part)] = part
        row[len(part) :] = 0
    return padded


def empty_batch(task: str) -> Batch:
    """Return the batch of no videos: a task's place in the round where the task rests."""
    return Batch(
        videos=[],
        visual=torch.zeros(0, 0, 0),
        audio=torch.zeros(0, 0, 0),
        mask=torch.zeros(0, 0, dtype=torch.bool),
        segments=torch.zeros(0, 0, 2),
        labels=torch.zeros(0, 0, dtype=torch.int64),
        durations=torch.zeros(0, dtype=torch.float64),
        grids=[],
        task=task,
    )


def collate(samples: Sequence[Sample]) -> Batch:
    """Pad samples to the longest one.

    Args:
        samples: B samples of equal feature widths; lengths and numbers of events may differ.

    Returns:
        The batch; its time axis is as long as its longest video and its event axis as long as the most events.
    """
    lengths = torch.tensor([len(sample.visual) for sample in samples])
    return Batch(
        videos=[sample.video for sample in samples],
        visual=_pad([sample.visual for sample in samples], int(lengths.max())),
        audio=_pad([sample.audio for sample in samples], int(lengths.max())),
        mask=torch.arange(int(lengths.max())) < lengths[:, None],
        segments=pad_sequence([sample.segments for sample in samples], batch_first=True),
        labels=pad_sequence([sample.labels for sample in samples], batch_first=True, padding_value=NO_EVENT),
        durations=torch.tensor([sample.duration for sample in samples], dtype=torch.float64),
        grids=[sample.grid for sample in samples],
    )
