"""What begins at 12.00 s of a file begins in the step that covers 12.00 s, however the file is made."""

from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import pytest

from avel.extraction.extract import extract
from tests.unit.extraction.test_extract import Mean
from tests.unit.extraction.videos import encode

AT, SECONDS, RATE, SIZE = 12.0, 13.0, 16000, 32
FIRST = 47
"""Step of 0.5 s every 0.25 s: the first one that sees more than 12.00 s."""
BASE = Fraction(1, 90_000)


def evenly(fps):
    return [float(k / fps) for k in range(int(SECONDS * fps))]


def unevenly():
    gaps = np.random.default_rng(0).choice([1 / 60, 1 / 30, 1 / 15, 0.2], 400)
    times = np.cumsum([0.0, *gaps])
    return times[times < SECONDS].tolist()


@dataclass(frozen=True)
class File:
    """A file whose picture turns white and whose tone begins at 12.00 s from its begin.

    Attributes:
        name: its ending chooses the container.
        times: of its pictures, in seconds.
        video: codec.
        options: of that.
        audio: codec.
        heard: when sound begins, silence at first.
        origin: time stamp of the file's beginning.
    """

    name: str
    times: list[float] = field(default_factory=lambda: evenly(25))
    video: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    audio: str = "aac"
    heard: float = 0.0
    origin: float = 0.0

    def write(self, folder):
        path = folder / self.name
        with av.open(str(path), "w") as container:
            pictures = container.add_stream(self.video, rate=30, options=self.options)
            pictures.width = pictures.height = SIZE
            pictures.pix_fmt, pictures.codec_context.time_base = "yuv420p", BASE
            track = container.add_stream(self.audio, rate=RATE, layout="mono")
            container.mux([*encode(track, self.sound(), self.origin + self.heard, RATE, "mono"), *track.encode()])
            for time in self.times:
                shade = np.full((SIZE, SIZE, 3), 255 if time >= AT else 0, np.uint8)
                frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
                frame.pts, frame.time_base = round((self.origin + time) / BASE), BASE
                container.mux(pictures.encode(frame))
            container.mux(pictures.encode())
        return path

    def sound(self):
        time = np.arange(self.heard * RATE, SECONDS * RATE) / RATE
        return (np.sign(np.sin(2 * np.pi * 440 * time)) * (time >= AT))[None] / 2


FORWARD_AND_BACK = {"bf": "3", "b_strategy": "0"}
FILES = [
    File("15.mp4", evenly(15)),
    File("23.976.mkv", evenly(Fraction(24000, 1001))),
    File("25.mov"),
    File("29.97.ts", evenly(Fraction(30000, 1001))),
    File("60.mp4", evenly(60)),
    File("variable.mkv", unevenly()),
    File("variable.mp4", unevenly(), options=FORWARD_AND_BACK),
    File("B-frames.mp4", options=FORWARD_AND_BACK),
    File("B-frames.mkv", evenly(60), options=FORWARD_AND_BACK),
    File("late sound.mp4", heard=0.7),
    File("late sound.mkv", options=FORWARD_AND_BACK, heard=0.7),
    File("late sound.ts", options=FORWARD_AND_BACK, heard=0.7),
    File("late pictures.mkv", [time for time in evenly(25) if time >= 0.7]),
    File("late pictures.mp4", [time for time in evenly(25) if time >= 0.7], options=FORWARD_AND_BACK),
    File("of a broadcast.ts", options=FORWARD_AND_BACK, heard=0.7, origin=3600.0),
    File("vp8.webm", video="libvpx", options={"deadline": "realtime"}, audio="libopus"),
    File("slides.mkv", [0.0, 5.0, 12.0], options=FORWARD_AND_BACK, heard=0.7),
]


@dataclass(frozen=True)
class Loudness(Mean):
    """Mean of the absolute samples of a step."""

    rate: float = RATE

    def preprocess(self, samples):
        return np.abs(samples)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_event_at_12_seconds_is_in_the_steps_of_12_seconds(tmp_path, file):
    steps = {"window": 0.5, "hop": 0.25}
    features = extract(file.write(tmp_path), Mean(**steps), Loudness(**steps))
    assert features.duration == pytest.approx(SECONDS, abs=0.2)
    for strength in (features.visual[:, 0], features.audio[:, 0]):
        begun = strength > 0.05 * strength.max()
        assert np.flatnonzero(begun)[0] == FIRST
        assert begun[FIRST:].all()
