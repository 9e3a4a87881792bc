"""Decoding of distances between snippets of two modalities: an event given in one is searched in the other.

The event's snippets are the query. A window as long as the query slides over the other modality; where its snippets
are nearest to those of the query, one by one, in the mean, there the event is said to be (the first place of equally
near ones). A clip whose event lasts from its start to its end, or that has none, leaves nothing to search.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Matches(NamedTuple):
    """Where the events of B clips were found; columns are audio to visual (a2v) and visual to audio (v2a).

    Attributes:
        labels: class of each clip's event, (B,) int64; C where nothing was searched.
        lengths: snippets of each event and so of its windows, (B,) int64.
        starts: first snippets of the windows, (B, 2) int64; without meaning where nothing was searched.
        distances: mean distances of window and query, (B, 2); likewise.
    """

    labels: Tensor
    lengths: Tensor
    starts: Tensor
    distances: Tensor


def match_events(distances: Tensor, labels: Tensor, num_classes: int) -> Matches:
    """Search the visual modality for events that are heard, and the audio modality for events that are seen.

    Args:
        distances: between each visual and each audio snippet, (B, T visual, T audio).
        labels: class of each snippet, (B, T) in 0..C, the query; C is background. One class per clip.
        num_classes: classes C.
    """
    event = labels < num_classes
    partial = event.any(dim=1) & ~event.all(dim=1)
    found = [search(distances, event), search(distances.mT, event)]
    starts, means = (torch.stack(columns, dim=1) for columns in zip(*found, strict=True))
    return Matches(labels.amin(dim=1).where(partial, num_classes), event.sum(dim=1), starts, means)


def search(distances: Tensor, event: Tensor) -> tuple[Tensor, Tensor]:
    """Find the window that is nearest to a query.

    Args:
        distances: of each searched snippet to each snippet of the modality that asks, (B, T searched, T asking).
        event: which asking snippets are the query, (B, T) bool.

    Returns:
        Its first snippet (B,) int64 and its mean distance (B,), NaN for an empty query.
    """
    snippets = distances.shape[1]
    offset = torch.arange(snippets, device=distances.device)
    length = event.sum(dim=1, keepdim=True)
    # the window from n on lays its snippet n + i over the query's i-th
    place = offset[:, None] + event.cumsum(dim=1)[:, None] - 1  # (B, offsets, T asking)
    pairs = distances.gather(1, place.clamp(0, snippets - 1))
    mean = pairs.where(event[:, None], 0).sum(dim=2) / length
    mean = mean.masked_fill(offset > snippets - length, torch.inf)  # a window must end with the clip
    start = mean.argmin(dim=1)
    return start, mean.gather(1, start[:, None]).squeeze(1)
