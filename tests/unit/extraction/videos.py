"""Writes small videos of which every frame says by its brightness which one it is."""

from fractions import Fraction

import av
import numpy as np

HEIGHT, WIDTH, STEP = 48, 64, 10


def write_video(path, times, *, codec="libx264", options=None, sound_from=None, rotation=0, begin=0.0):
    """A video whose frame i has its time stamp at `times[i]` s and the grey `STEP * i`, its left top corner white.

    `sound_from` adds a sound that begins then; `begin` is added to all times.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options or {})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.set_display_rotation(rotation)
        sound = None if sound_from is None else container.add_stream("pcm_s16le", rate=8000, layout="mono")
        if sound:
            container.mux(encode_silence(sound, begin + sound_from))
        for index, time in enumerate(times):
            pixels = np.full((HEIGHT, WIDTH, 3), STEP * index, np.uint8)
            pixels[:8, :8] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(1000 * (begin + time)), stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def encode_silence(stream, begin):
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 8000, round(8000 * begin), Fraction(1, 8000)
    return [*stream.encode(frame), *stream.encode()]


def which(pictures):
    """Index of each frame, read from its middle."""
    return np.rint(pictures[:, HEIGHT // 2, WIDTH // 2].mean(axis=1) / STEP).astype(int).tolist()
