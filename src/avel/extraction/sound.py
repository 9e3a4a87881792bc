"""The sound of a media file as regular samples of one channel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from avel.errors import UserError
from avel.extraction.media import audio_stream, begin, decode, opened

Samples = npt.NDArray[np.float32]

JITTER = 0.05
"""Seconds by which a time stamp may miss the end of the sound before it: what some containers round away."""


def read_sound(path: str | Path, *, rate: int, count: int) -> Iterator[Samples]:
    """Read the first `count` samples at a regular rate, about a second at a time.

    Sample k is the mix of all channels at k / `rate` seconds from where the file begins, be it with sound or with
    picture. Where there is none (before a late start, in gaps, behind the end) there is silence; where time stamps go
    back, what was there first stays.

    Args:
        path: the file.
        rate: samples per second.
        count: how many.

    Yields:
        Blocks of samples in [-1, 1], (n,) float32.

    Raises:
        UserError: the file cannot be read or has no sound.
    """
    with opened(path) as container:
        stream = audio_stream(container)
        frames = decode(container, stream) if stream else iter(())
        yield from _fill(path, _placed(frames, begin(container), rate), rate, count)


def _fill(path: str | Path, pieces: Iterator[tuple[int, Samples]], block: int, count: int) -> Iterator[Samples]:
    """Give `count` samples: the pieces at their positions, silence between them."""
    done, heard = 0, False
    for position, samples in pieces:
        heard = True
        yield from _silence(min(position, count) - done, block)
        done = max(done, min(position, count))
        fresh = samples[done - position : count - position]
        if len(fresh):
            yield fresh
        done += len(fresh)
        if done == count:
            break
    if not heard:
        raise UserError(f"{path}: has no sound that can be read: get it again")
    yield from _silence(count - done, block)


def _silence(count: int, block: int) -> Iterator[Samples]:
    for start in range(0, count, block):
        yield np.zeros(min(block, count - start), np.float32)


def _placed(frames: Iterator[AudioFrame], origin: float, rate: int) -> Iterator[tuple[int, Samples]]:
    """Give resampled pieces with the position of their first sample, which may be negative."""
    run = None
    for frame in frames:
        time = frame.time - origin if frame.time is not None else run.end if run else 0.0
        if run is None or run.breaks(frame, time):
            yield from run.finish() if run else ()
            run = _Run(frame, time, rate)
        yield from run.add(frame)
    yield from run.finish() if run else ()


class _Run:
    """Sound without gaps, of one format: the resampler may look from one frame into the next."""

    def __init__(self, frame: AudioFrame, start: float, rate: int) -> None:
        self.form = _form(frame)
        self.end = start
        self.position = round(start * rate)
        self.resampler = AudioResampler("fltp", "mono", rate, frame_size=rate, options={"rematrix_maxval": "1"})

    def breaks(self, frame: AudioFrame, time: float) -> bool:
        return _form(frame) != self.form or abs(time - self.end) > JITTER

    def add(self, frame: AudioFrame) -> Iterator[tuple[int, Samples]]:
        self.end += frame.samples / frame.sample_rate
        frame.pts = None  # the clock is that of the samples
        return self._give(frame)

    def finish(self) -> Iterator[tuple[int, Samples]]:
        return self._give(None)

    def _give(self, frame: AudioFrame | None) -> Iterator[tuple[int, Samples]]:
        for resampled in self.resampler.resample(frame):
            samples = resampled.to_ndarray()[0]
            yield self.position, samples
            self.position += len(samples)


def _form(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate
