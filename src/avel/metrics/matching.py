"""Cross-modality localization: is an event that is given in one modality found in the other?

Conventions: the event's length is known, so a window of that length is right if it starts with the event (exact start).
Clips whose event lasts from start to end, or that have none, are not counted, because there is nothing to search. Next
to the share of right windows stands the overlap, the share of event snippets that lie in the windows; the released code
of AVDLN counts it too, but does not print it. Results are shares over all clips, or over all their event snippets.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from avel.errors import UserError
from avel.metrics.video_sums import VideoSums

DIRECTIONS = ("a2v", "v2a")


class MatchingAccuracy(VideoSums):
    """Exact-start accuracy and overlap, audio to visual and back.

    Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018.
    """

    def __init__(self) -> None:
        super().__init__(num_values=6)

    def update(self, videos: Sequence[str], starts: Tensor, event: Tensor) -> None:
        """Add B videos.

        Args:
            videos: their ids.
            starts: first snippets of the windows, audio to visual and visual to audio, (B, 2).
            event: whether a snippet belongs to the true event, (B, T) bool.

        Raises:
            UserError: shapes differ.
        """
        if starts.shape != (len(videos), 2) or event.dim() != 2 or len(event) != len(videos):
            raise UserError(
                f"starts and events of {len(videos)} videos must have the shapes ({len(videos)}, 2) and"
                f" ({len(videos)}, T), got {tuple(starts.shape)} and {tuple(event.shape)}"
            )
        exact, covered = judge_windows(starts, event)
        values = torch.cat([exact, covered, torch.ones_like(starts[:, :1]), event.sum(dim=1, keepdim=True)], dim=1)
        self.add_videos(videos, values * is_partial(event)[:, None])

    def compute(self) -> dict[str, Tensor]:
        """Return the results over all clips with a partial event, float64, NaN where there is none.

        Returns:
            `a2v` and `v2a`, the shares of windows with the right start; `matching`, their mean; `a2v_overlap` and
            `v2a_overlap`, the shares of event snippets in the windows.
        """
        totals = self.totals()
        return _named(totals[:2] / totals[4], totals[2:4] / totals[5])


def is_partial(event: Tensor) -> Tensor:
    """Whether clips (B, T) bool hold both event and background, (B,) bool."""
    return event.any(dim=1) & ~event.all(dim=1)


def judge_windows(starts: Tensor, event: Tensor) -> tuple[Tensor, Tensor]:
    """Compare K windows of each clip with its event, whose length they have.

    Args:
        starts: first snippets of the windows, (B, K).
        event: (B, T) bool.

    Returns:
        Whether each starts with the event, (B, K) bool, and how many of its snippets it holds, (B, K) int64.
    """
    time = torch.arange(event.shape[1], device=event.device)
    after = time - starts[..., None]  # (B, K, T)
    inside = (after >= 0) & (after < event.sum(dim=1)[:, None, None])
    return starts == event.int().argmax(dim=1, keepdim=True), (inside & event[:, None]).sum(dim=2)


def chance(event: Tensor) -> dict[str, Tensor]:
    """What windows score in expectation that may start anywhere as long as they end with the clip.

    Args:
        event: of all videos, (V, T) bool.

    Returns:
        The results that `MatchingAccuracy` has, float64.
    """
    event = event[is_partial(event)]
    starts = torch.arange(event.shape[1], device=event.device).expand_as(event)
    fits = starts <= event.shape[1] - event.sum(dim=1, keepdim=True)
    exact, covered = ((found * fits).sum(dim=1).double() / fits.sum(dim=1) for found in judge_windows(starts, event))
    return _named(exact.mean().expand(2), (covered.sum() / event.sum()).expand(2))


def _named(accuracy: Tensor, overlap: Tensor) -> dict[str, Tensor]:
    shares = dict(zip(DIRECTIONS, accuracy, strict=True))
    overlaps = {f"{name}_overlap": share for name, share in zip(DIRECTIONS, overlap, strict=True)}
    return shares | {"matching": accuracy.mean()} | overlaps
