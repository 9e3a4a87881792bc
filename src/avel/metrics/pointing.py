"""Pointing game: does attention peak at the object that sounds?

Conventions: a snippet counts if it is known where its sounding object is. It is a hit if the maximum of its attention
map lies there; equal maxima share the hit, so that a constant map scores what chance does, the object's share of the
map. The result is the mean over all such snippets of all videos.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from avel.errors import UserError
from avel.metrics.video_sums import VideoSums


class PointingGame(VideoSums):
    """Share of snippets whose attention peaks at the sounding object (Zhang et al., ECCV 2016)."""

    def __init__(self) -> None:
        super().__init__(num_values=2)

    def update(self, videos: Sequence[str], attention: Tensor, places: Tensor) -> None:
        """Add B videos.

        Args:
            videos: their ids.
            attention: where a method looks, (B, T, H, W).
            places: bool, where the sounding object is, (B, T, H, W); all False where a snippet has none.

        Raises:
            UserError: shapes differ.
        """
        if attention.shape != places.shape or attention.dim() != 4 or len(attention) != len(videos):
            raise UserError(
                f"attention and places of {len(videos)} videos must have one shape (B, T, H, W), got"
                f" {tuple(attention.shape)} and {tuple(places.shape)}"
            )
        peaks = attention == attention.amax(dim=(2, 3), keepdim=True)
        hits = (peaks & places).sum(dim=(2, 3)).double() / peaks.sum(dim=(2, 3))
        counts = places.flatten(2).any(dim=2)
        self.add_videos(videos, torch.stack([hits.where(counts, 0).sum(dim=1), counts.sum(dim=1)], dim=1))

    def compute(self) -> dict[str, Tensor]:
        """Return `pointing`, float64, NaN where no snippet counts."""
        hits, snippets = self.totals()
        return {"pointing": hits / snippets}
