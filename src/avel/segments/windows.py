"""Overlapping windows over videos that are longer than a network's maximum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def window_starts(length: int, size: int, overlap: int) -> list[int]:
    """Return the first snippets of windows that together cover a video.

    Args:
        length: snippets of the video.
        size: snippets of a window.
        overlap: snippets that neighbouring windows share at least.

    Returns:
        Ascending starts. The last window ends with the video, so it may share more; a video that fits into
        one window has the single start 0.

    Raises:
        ValueError: unless `0 <= overlap < size`.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"windows of {size} snippets cannot overlap by {overlap}")
    last = max(length - size, 0)
    return [*range(0, last, size - overlap), last]


def window_cores(starts: Sequence[int], size: int) -> list[tuple[float, float]]:
    """Return for each window the span of time that lies nearer to its middle than to its neighbours'.

    Args:
        starts: ascending first snippets of a video's windows.
        size: snippets of a window.

    Returns:
        (low, high) per window; together they cover all of time, the outermost being open.
    """
    borders = [(left + right + size) / 2 for left, right in pairwise(starts)]
    return list(pairwise([-math.inf, *borders, math.inf]))
