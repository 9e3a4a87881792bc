"""Reading media files: the pictures that a video shows at given times."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from avel.errors import UserError

Pixels = npt.NDArray[np.uint8]

RESOLUTION = 1e-6
"""Seconds by which equal times may differ: a file's beginning is known to the microsecond."""


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
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    times, places = np.unique(np.asarray(seconds, dtype=np.float64), return_inverse=True)
    try:
        with av.open(str(path)) as container:
            frames = list(_shown(container, times.tolist()))
    except av.FFmpegError as error:
        raise UserError(f"{path}: cannot be read as a video ({error.strerror}): get it again") from error
    if not frames:
        raise UserError(f"{path}: has no picture with a time stamp: get it again")
    height, width = frames[0].height, frames[0].width  # some streams change their size on the way
    pictures: list[Pixels] = [
        np.rot90(frame.to_ndarray(format="rgb24", height=height, width=width), round(frame.rotation / 90))
        for frame in frames
    ]
    return np.stack(pictures)[places]


def _shown(container: InputContainer, times: Sequence[float]) -> Iterator[VideoFrame]:
    """Give the frame that is shown at each of the ascending times; nothing where there is no picture."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        return
    stream.thread_type = "AUTO"
    begin = (container.start_time or 0) / av.time_base
    waiting, shown = deque(times), None
    for frame in container.decode(stream):
        if frame.time is None:
            continue
        while shown and waiting and waiting[0] < frame.time - begin - RESOLUTION:
            waiting.popleft()
            yield shown
        if not waiting:
            return
        shown = frame
    if shown:
        yield from [shown] * len(waiting)
