"""Writes small videos of which every frame says by its brightness which one it is."""

from fractions import Fraction

import av
import numpy as np

HEIGHT, WIDTH, STEP = 48, 64, 10
SECOND = np.zeros((1, 8000), np.float32)
"""A second of silence at 8000 Hz."""


def write_video(
    path, times, *, codec="libx264", options=None, sound=SECOND, sound_from=None, rotation=0, begin=0.0, size=None
):
    """A video whose frame i has its time stamp at `times[i]` s and the grey `STEP * i` (modulo 256), its corner white.

    `sound_from` adds a `sound` that begins then; `begin` is added to all times; `size` is (width, height).
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options or {})
        stream.width, stream.height = size or (WIDTH, HEIGHT)
        stream.pix_fmt = "yuv420p" if stream.width % 2 == 0 else "yuv444p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.set_display_rotation(rotation)
        track = None if sound_from is None else container.add_stream("pcm_s16le", rate=8000, layout="mono")
        if track:
            container.mux(encode_sound(track, sound, begin + sound_from))
        for index, time in enumerate(times):
            pixels = np.full((stream.height, stream.width, 3), STEP * index % 256, np.uint8)
            pixels[:8, :8] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(1000 * (begin + time)), stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_sound(path, sound, *, rate=8000, layout="mono", codec="pcm_s16le", starts=(0.0,), options=None):
    """A file with sound alone: `sound`, (channels, N) in [-1, 1], once at each of the times `starts`."""
    with av.open(str(path), "w", options=options or {}) as container:
        track = container.add_stream(codec, rate=rate, layout=layout)
        for start in starts:
            container.mux(encode(track, sound, start, rate, layout))
        container.mux(track.encode())


def encode_sound(track, sound, begin):
    return [*encode(track, sound, begin, 8000, "mono"), *track.encode()]


def encode(track, sound, begin, rate, layout):
    form = track.codec_context.format
    samples = sound.astype(np.float32) if form.name.startswith("flt") else np.rint(sound * 32767).astype(np.int16)
    samples = samples if form.is_planar else samples.T.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=form.name, layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, round(rate * begin), Fraction(1, rate)
    return track.encode(frame)


def which(pictures):
    """Index of each frame, read from its middle."""
    return np.rint(pictures[:, pictures.shape[1] // 2, pictures.shape[2] // 2].mean(axis=1) / STEP).astype(int).tolist()
