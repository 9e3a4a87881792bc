"""From a media file to its features, chunk by chunk: memory grows with the length of the file by its features alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avel.errors import UserError
from avel.extraction.encoder import AudioEncoder, Encoded, Encoder, Kept, Spans, VisualEncoder, count_steps, step_spans
from avel.extraction.media import probe
from avel.extraction.pictures import read_pictures
from avel.extraction.sound import read_sound

Progress = Callable[[float], None]
"""Is told which share of the work is done, in 0..1."""


@dataclass(frozen=True, slots=True)
class Features:
    """The features of one file.

    Attributes:
        visual: (T, *shape) float32, with the shape that the encoder gives a step: (D,) or, for maps, (H, W, D).
        audio: the same.
        duration: seconds that the file lasts.
    """

    visual: Encoded
    audio: Encoded
    duration: float


def extract(
    path: str | Path,
    visual: VisualEncoder,
    audio: AudioEncoder,
    *,
    chunk: float = 60.0,
    progress: Progress = lambda share: None,
) -> Features:
    """Extract the features of a file.

    There is a step for every window whose middle lies in the file; what a window reaches beyond the file is filled with
    silence and with the last picture.

    Args:
        path: a video, or only sound or only pictures: the features of what is not there are zero, with a warning.
        visual: encoder of the pictures.
        audio: encoder of the sound; its steps must be those of `visual`.
        chunk: seconds that are encoded at once; it changes memory and speed alone.
        progress: is called after every chunk.

    Raises:
        UserError: the file cannot be read, its features are NaN or infinite, or the steps of the two encoders lie at
            different times.
    """
    check_pair(visual, audio)
    duration = probe(path).duration
    steps = count_steps(duration, visual)
    seen, heard = step_spans(visual, steps), step_spans(audio, steps)
    pictures = map(visual.preprocess, read_pictures(path, rate=visual.rate, count=_count(seen), size=visual.size))
    sound = map(audio.preprocess, read_sound(path, rate=round(audio.rate), count=_count(heard)))
    visual_features = _attempt(visual, pictures, seen, chunk, lambda share: progress(share / 2))
    audio_features = _attempt(audio, sound, heard, chunk, lambda share: progress((1 + share) / 2))
    if visual_features is None and audio_features is None:
        raise UserError(f"{path}: neither its picture nor its sound can be decoded: get it again or leave it out")
    features = _or_zeros(visual_features, visual, steps), _or_zeros(audio_features, audio, steps)
    for encoder, values in zip((visual, audio), features, strict=True):
        if not np.isfinite(values).all():
            reason = "numbers may be too large for its precision: float32 holds more than float16"
            raise UserError(f"{path}: features of {encoder.name} are NaN or infinite: {reason}")
    return Features(*features, duration)


def encode_blocks(
    encoder: Encoder, blocks: Iterator[Kept], spans: Spans, *, chunk: float, progress: Progress = lambda share: None
) -> Encoded:
    """Encode the samples of a file, which come in blocks, in chunks of `chunk` seconds.

    Args:
        encoder: what encodes.
        blocks: preprocessed samples, all of the file, in order.
        spans: which of them each of the T steps covers, (T, 2).
        chunk: seconds that are encoded at once.
        progress: is called after every chunk.

    Returns:
        (T, *shape).
    """
    samples, parts = _Tape(blocks), []
    margin, at_once = math.ceil(encoder.context * encoder.rate), max(round(chunk / encoder.hop), 1)
    for first in range(0, len(spans), at_once):
        part = spans[first : first + at_once]
        start = max(int(part[0, 0]) - margin, 0)
        parts.append(encoder.encode(samples.cut(start, int(part[-1, 1]) + margin), part - start))
        progress(min(first + at_once, len(spans)) / len(spans))
    return np.concatenate(parts)


class _Tape:
    """Samples that come in blocks and are cut from the front on; what lies before the last cut is forgotten."""

    def __init__(self, blocks: Iterator[Kept]) -> None:
        self.blocks, self.start = blocks, 0
        self.held: Kept = next(blocks)

    def cut(self, start: int, stop: int) -> Kept:
        """Return the samples from `start`, which only grows, to `stop` or to the end."""
        parts, end = [self.held[start - self.start :]], self.start + len(self.held)
        while end < stop and (block := next(self.blocks, None)) is not None:
            parts.append(block[max(start - end, 0) :])
            end += len(block)
        self.held, self.start = np.concatenate(parts), start
        return self.held[: stop - start]


def check_pair(visual: Encoder, audio: Encoder) -> None:
    """Raise a UserError unless the steps of two encoders lie at the same times."""
    if (visual.hop, visual.window) != (audio.hop, audio.window):
        raise UserError(
            f"encoders {visual.name} and {audio.name} make steps at different times: every {visual.hop} s of"
            f" {visual.window} s and every {audio.hop} s of {audio.window} s; give both the same hop and window"
        )


def _count(spans: Spans) -> int:
    return int(spans[-1, 1])


def _attempt(
    encoder: Encoder, blocks: Iterator[Kept], spans: Spans, chunk: float, progress: Progress
) -> Encoded | None:
    try:
        return encode_blocks(encoder, blocks, spans, chunk=chunk, progress=progress)
    except UserError as error:  # a file with one modality is of use all the same
        warnings.warn(f"{error}; until then, features of {encoder.name} are zero", stacklevel=3)
        return None


def _or_zeros(features: Encoded | None, encoder: Encoder, steps: int) -> Encoded:
    return np.zeros((steps, *encoder.shape), np.float32) if features is None else features
