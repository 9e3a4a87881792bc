"""From samples to a batch: videos are padded to the longest, clips stacked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avel.batch import NO_EVENT, Batch, Clip, ClipBatch, Sample


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


def collate_clips(clips: Sequence[Clip]) -> ClipBatch:
    """Stack clips of equal length and equal shape of features."""
    return ClipBatch(
        videos=[clip.video for clip in clips],
        visual=_stack([clip.visual for clip in clips]),
        audio=_stack([clip.audio for clip in clips]),
        labels=torch.stack([clip.labels for clip in clips]),
        video_labels=torch.tensor([clip.video_label for clip in clips]),
    )


def _pad(parts: Sequence[Tensor], length: int) -> Tensor:
    """Stack float32 features (T, D) of different lengths, zeros behind them.

    NumPy asks for huge pages where an array is large: a batch in small ones takes longer to get than to fill.
    """
    padded = torch.from_numpy(np.empty((len(parts), length, parts[0].shape[1]), np.float32))
    for row, part in zip(padded, parts, strict=True):
        row[: len(part)] = part
        row[len(part) :] = 0
    return padded


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
