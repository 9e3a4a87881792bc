"""Renders small mp4 files in which two classes are seen and heard."""

from fractions import Fraction

import numpy as np

from avel.data.synthetic_mp4 import write_mp4

SECONDS, FPS, RATE = 6, 8, 16000
CLASSES = {"red": ((200, 30, 30), 400), "blue": ((30, 30, 200), 1500)}
"""Colour of a square, frequency of a tone."""


def write_clips(folder, count):
    """Write `count` mp4 files with an event each, and annotations.csv beside them; return the events by video."""
    random = np.random.default_rng(0)
    events = {}
    for index in range(count):
        start, length = random.uniform(0.5, 2), random.uniform(1.5, 3)
        events[f"clip{index:02d}"] = start, start + length, list(CLASSES)[index % 2]
    for video, event in events.items():
        write_mp4(folder / "videos" / f"{video}.mp4", pictures(*event), Fraction(FPS), sound(*event, random), RATE)
    rows = [f"{video},{start:.3f},{end:.3f},{label}" for video, (start, end, label) in events.items()]
    (folder / "annotations.csv").write_text("\n".join(["video,start,end,label", *rows, ""]))
    return events


def pictures(start, end, label, fps=FPS, seconds=SECONDS):
    for index in range(int(seconds * fps)):
        picture = np.full((48, 64, 3), 120, np.uint8)
        time = (index + 0.5) / float(fps)
        if start <= time < end:
            left = 4 + int(time * FPS) % 30
            picture[12:36, left : left + 24] = CLASSES[label][0]
        yield picture


def sound(start, end, label, random, seconds=SECONDS):
    time = np.arange(seconds * RATE) / RATE
    tone = np.sin(2 * np.pi * CLASSES[label][1] * time) * ((start <= time) & (time < end))
    return (0.3 * tone + 0.01 * random.normal(size=len(time)))[None].astype(np.float32)
