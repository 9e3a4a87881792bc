"""The pictures that a video shows, at given times or at a regular rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from avel.errors import UserError
from avel.extraction.media import begin, decode, opened, video_stream

Pixels = npt.NDArray[np.uint8]

Size = Callable[[int, int], tuple[int, int]]
"""Says to which (width, height) an upright picture of some (width, height) is scaled."""

RESOLUTION = 1e-6
"""Seconds by which equal times may differ: a file's beginning is known to the microsecond."""
BLOCK = 32
"""Pictures that are given at once."""


def frames_at(path: str | Path, seconds: Sequence[float]) -> Pixels:
    """Read the pictures that a video shows at given times, as a player shows them.

    Times count from where the file begins, be it with sound or with picture. A frame is shown from its own time stamp
    to that of the next one, however far apart these are; the first frame also stands for what is before it, the last
    one for what is behind it. Frames are turned upright where the file asks for that.

    The file is decoded from its beginning to the last of the times.

    Args:
        path: the file.
        seconds: the N > 0 times, in any order.

    Returns:
        RGB, (N, H, W, 3).

    Raises:
        UserError: the file cannot be read, is damaged or has no picture.
    """
    times, places = np.unique(np.asarray(seconds, dtype=np.float64), return_inverse=True)
    with opened(path) as container:
        frames = list(_shown(container, times.tolist()))
    size = _upright_size(_require(path, next(iter(frames), None)))  # some streams change their size on the way
    return np.stack([_pixels(frame, size) for frame in frames])[places]


def read_pictures(path: str | Path, *, rate: float, count: int, size: Size) -> Iterator[Pixels]:
    """Read `count` pictures at a regular rate, a few at a time.

    Picture k is what a player shows at (k + 0.5) / `rate` seconds, see `frames_at`; a few are in memory at a time,
    however long the file is. The whole stream is scaled to the size of its first picture.

    Args:
        path: the file.
        rate: pictures per second.
        count: how many; the last frame is shown on behind the end.
        size: says to which size pictures are scaled, by averaging where they shrink.

    Yields:
        Blocks of at most `BLOCK` RGB pictures, (n, height, width, 3).

    Raises:
        UserError: the file cannot be read or has no picture.
    """
    times = ((k + 0.5) / rate for k in range(count))
    block: list[Pixels] = []
    with opened(path) as container:
        frames = _shown(container, times)
        first = _require(path, next(frames, None))
        wanted = size(*_upright_size(first))
        for frame, repeats in groupby(chain([first], frames)):
            pixels = _pixels(frame, wanted)
            for _ in repeats:
                block.append(pixels)
                if len(block) == BLOCK:
                    yield np.stack(block)
                    block = []
    if block:
        yield np.stack(block)


def _shown(container: InputContainer, times: Iterable[float]) -> Iterator[VideoFrame]:
    """Give the frame that is shown at each of the ascending times; nothing where there is no picture."""
    stream = video_stream(container)
    if stream is None:
        return
    stream.thread_type = "AUTO"
    origin, waiting, shown = begin(container), iter(times), None
    time = next(waiting, None)
    for frame in decode(container, stream):
        if frame.time is None:
            continue
        while shown and time is not None and time < frame.time - origin - RESOLUTION:
            yield shown
            time = next(waiting, None)
        if time is None:
            return
        shown = frame
    if shown and time is not None:
        yield from (shown for _ in chain([time], waiting))


def _upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Return (width, height) of a frame as it is shown."""
    return (frame.height, frame.width) if _quarter_turns(frame) % 2 else (frame.width, frame.height)


def _pixels(frame: VideoFrame, size: tuple[int, int]) -> Pixels:
    """Return a frame as upright RGB (height, width, 3) of `size` (width, height)."""
    turns = _quarter_turns(frame)
    width, height = reversed(size) if turns % 2 else size
    scaled = frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA, threads=1)
    return np.rot90(scaled.to_ndarray(), turns)


def _quarter_turns(frame: VideoFrame) -> int:
    return round(frame.rotation / 90)


def _require(path: str | Path, frame: VideoFrame | None) -> VideoFrame:
    if frame is None:
        raise UserError(f"{path}: has no picture that can be read: get it again")
    return frame
