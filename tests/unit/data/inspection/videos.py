"""Annotated videos for the tests of what is told about them."""

import numpy as np

from avel.data.annotations import Annotations, VideoAnnotation


def video(name, *events, split="train", duration=10.0):
    """A video with events (start, end, class id)."""
    segments = np.array([event[:2] for event in events], dtype=np.float64).reshape(-1, 2)
    return VideoAnnotation(name, split, duration, segments, np.array([event[2] for event in events], dtype=np.int64))


def annotations(*videos, names=("dog", "cat")):
    return Annotations(videos, names)


def whats(findings):
    """What was found, without remedies."""
    return [finding.what for finding in findings]
