"""What videos might contain, before suppression; found window by window where a video is long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avel.segments.windows import window_cores

WINDOWS_LIMIT = 2**17
"""Candidates of a video in windows that are kept: a video of hours has millions. Suppression picks by descending score,
so that it would miss one of the others only after this many better ones."""


@dataclass(slots=True)
class Candidates:
    """What B videos might contain, before suppression; padded to the video with the most candidates.

    Attributes:
        segments: (B, N, 2) in snippets, neither clipped to the video nor in order.
        scores: (B, N) probabilities.
        labels: (B, N) class ids.
        valid: (B, N) bool.
    """

    segments: Tensor
    scores: Tensor
    labels: Tensor
    valid: Tensor

    def compact(self) -> Candidates:
        """Move the valid candidates to the front, in their order, and cut the rest."""
        order = self.valid.long().argsort(dim=1, descending=True, stable=True)
        return self.take(order[:, : int(self.valid.sum(dim=1).max())])

    def take(self, index: Tensor) -> Candidates:
        """Pick candidates (B, K) by index."""
        return Candidates(
            self.segments.gather(1, index[..., None].expand(-1, -1, 2)),
            self.scores.gather(1, index),
            self.labels.gather(1, index),
            self.valid.gather(1, index),
        )

    def best(self, count: int) -> Candidates:
        """Keep the `count` valid candidates of each video that score best, in their order."""
        if self.scores.shape[1] <= count:
            return self
        order = self.scores.masked_fill(~self.valid, -1).argsort(dim=1, descending=True, stable=True)
        return self.take(order[:, :count].sort(dim=1).values)

    @classmethod
    def concat(cls, parts: Sequence[Candidates]) -> Candidates:
        """Join candidates of the same videos."""
        return cls(*(torch.cat(tensors, 1) for tensors in zip(*(part.fields() for part in parts), strict=True)))

    @classmethod
    def stack(cls, parts: Sequence[Candidates]) -> Candidates:
        """Join candidates of different videos."""
        videos = [video for part in parts for video in zip(*part.fields(), strict=True)]
        return cls(*(pad_sequence(list(column), batch_first=True) for column in zip(*videos, strict=True)))

    def fields(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The four tensors in the order of the constructor."""
        return self.segments, self.scores, self.labels, self.valid


def merge_windows(
    parts: Iterable[Candidates], starts: Sequence[Sequence[int]], size: int, *, limit: int = WINDOWS_LIMIT
) -> Candidates:
    """Put the candidates of overlapping windows on the time axes of their videos.

    Every window keeps the candidates whose centre is nearer to its own middle than to its neighbours', so that an
    event of at most the windows' overlap is judged by a window that sees all of it.

    Args:
        parts: candidates of batches of windows, in the order of videos and, within a video, of time; taken one by one.
        starts: for each of the B videos the first snippets of its windows.
        size: snippets per window.
        limit: candidates that are kept of a video at most, the best ones.

    Returns:
        Candidates of the B videos.
    """
    windows = (tensors for part in parts for tensors in zip(*part.fields(), strict=True))
    videos = []
    for of_video in starts:
        kept: list[Candidates] = []
        for start, (low, high) in zip(of_video, window_cores(of_video, size), strict=True):
            segments, scores, labels, valid = next(windows)
            centre = segments.mean(dim=1) + start
            keep = valid & (centre >= low) & (centre < high)
            kept.append(Candidates(*(x[None, keep] for x in (segments + start, scores, labels, valid))))
            if sum(part.scores.shape[1] for part in kept) > 1.25 * limit:  # not each time: sorting takes time, too
                kept = [Candidates.concat(kept).best(limit)]
        videos.append(Candidates.concat(kept).best(limit))
    return Candidates.stack(videos)
