"""Videos in the states of metrics: numbers that stand for ids, and which visit to a video counts."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def video_number(video_id: str | int) -> float:
    """Number that stands for a video in a metric's state: a small integer itself, else a 48-bit digest of the id."""
    if isinstance(video_id, int) and abs(video_id) < 2**53:
        return float(video_id)
    name = str(video_id).encode(errors="surrogatepass")  # ids may be names of files, which need not be UTF-8
    return float(int.from_bytes(hashlib.blake2b(name, digest_size=6).digest(), "big"))


def first_visits(videos: Tensor) -> Tensor:
    """Index of the first visit to each distinct video, in the order of their numbers.

    Args:
        videos: number of the video of each visit, (N,).

    Returns:
        (number of distinct videos,) int64.
    """
    numbers, visit = videos.unique(return_inverse=True)
    visits = torch.arange(len(videos), device=videos.device)
    return visits.new_full(numbers.shape, len(videos)).scatter_reduce_(0, visit, visits, "amin")
