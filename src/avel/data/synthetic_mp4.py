"""Writes pictures and sound as an mp4 file, H.264 and AAC."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import OutputContainer

from avel.data.synthetic_voices import Signal
from avel.files import whole_file

PICTURE_OPTIONS = {"preset": "superfast", "crf": "25"}
SOUND_OPTIONS = {"aac_coder": "fast"}


def write_mp4(
    path: Path,
    pictures: Iterable[npt.NDArray[np.uint8]],
    fps: Fraction,
    sound: Signal,
    rate: int,
) -> None:
    """Write an mp4 file, whole or not at all.

    Args:
        path: of the file.
        pictures: RGB, each (H, W, 3) with even sides; the first is shown from 0 s on.
        fps: pictures per second.
        sound: samples in [-1, 1], (channels, N), one or two channels; the first is heard at 0 s.
        rate: samples per second.
    """
    with whole_file(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        track = container.add_stream(
            "aac", rate=rate, layout="mono" if len(sound) == 1 else "stereo", options=SOUND_OPTIONS
        )
        stream = container.add_stream("libx264", rate=fps, options=PICTURE_OPTIONS)
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        written = 0
        for index, picture in enumerate(pictures):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, 1 / fps
            container.mux(stream.encode(frame))
            heard = min(round((index + 1) / fps * rate), sound.shape[1])
            _encode(container, track, sound[:, written:heard], written, rate)
            written = heard
        _encode(container, track, sound[:, written:], written, rate)
        for part in (stream, track):
            container.mux(part.encode())


def _encode(container: OutputContainer, track: AudioStream, sound: Signal, position: int, rate: int) -> None:
    if sound.shape[1] == 0:
        return
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), format="fltp", layout=track.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
    container.mux(track.encode(frame))
