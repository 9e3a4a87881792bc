"""What real data sets are like, measured on their annotations, for synthetic ones to be drawn alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

QUANTILES = (0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """How long videos are and what happens in them.

    Attributes:
        splits: share of the videos in each.
        durations: quantiles of the seconds of a video, see `QUANTILES`.
        event_counts: number of events -> how many videos have it.
        event_shares: events in the video at most -> quantiles of the share of the video that one event fills.
        class_counts: events in the video at most -> probabilities of 1, 2, … classes.
        popularity: the class of rank r is drawn in proportion to (r + 1) ** -popularity: a long tail.
    """

    splits: Mapping[str, float]
    durations: tuple[float, ...]
    event_counts: Mapping[int, int]
    event_shares: Mapping[int, tuple[float, ...]]
    class_counts: Mapping[int, tuple[float, ...]]
    popularity: float


UNAV100 = Statistics(
    splits={"train": 0.6, "validation": 0.2, "test": 0.2},
    durations=(10, 20, 26.9, 38, 43.9, 49, 54, 58, 60),
    event_counts=dict(enumerate((4449, 2117, 1394, 945, 628, 413, 254, 194, 120, 88, 56, 36, 36), start=1)),
    event_shares={
        1: (0.018, 0.289, 0.514, 0.838, 0.996, 0.999, 0.999, 1, 1),
        2: (0.010, 0.036, 0.059, 0.160, 0.414, 0.808, 0.998, 0.999, 1),
        4: (0.003, 0.023, 0.031, 0.066, 0.164, 0.372, 0.713, 0.995, 1),
        13: (0.004, 0.018, 0.020, 0.031, 0.067, 0.149, 0.312, 0.481, 1),
    },
    class_counts={1: (1.0,), 2: (0.46, 0.54), 4: (0.32, 0.48, 0.19, 0.01), 13: (0.14, 0.36, 0.30, 0.20)},
    popularity=0.65,
)
"""10,790 videos, 30,059 events."""

ACTIVITYNET13 = Statistics(
    splits={"train": 0.67, "test": 0.33},
    durations=(10, 18, 29.9, 61.3, 115.4, 173.7, 211.1, 224.6, 240),
    event_counts=dict(enumerate((10855, 1860, 685, 400, 213, 134, 75, 52, 31, 23, 14, 7), start=1)),
    event_shares={
        1: (0.04, 0.137, 0.256, 0.543, 0.794, 0.931, 0.996, 0.999, 1),
        2: (0.02, 0.028, 0.045, 0.101, 0.228, 0.396, 0.570, 0.674, 1),
        4: (0.01, 0.014, 0.022, 0.042, 0.087, 0.175, 0.298, 0.388, 0.99),
        12: (0.007, 0.009, 0.014, 0.023, 0.044, 0.081, 0.142, 0.192, 0.99),
    },
    class_counts={12: (1.0,)},
    popularity=0.33,
)
"""14,377 videos, 22,090 events of the list of BSN and BMN; no video is longer than 240 s here."""

DESED = Statistics(
    splits={"train": 0.63, "test": 0.37},
    durations=(4, 10, 10, 10, 10, 10, 10, 10, 11),
    event_counts=dict(enumerate((491, 268, 231, 263, 170, 134, 101, 62, 45, 24, 25, 12, 6, 6), start=1)),
    event_shares={
        1: (0.025, 0.125, 0.222, 0.620, 0.928, 1, 1, 1, 1),
        2: (0.025, 0.043, 0.056, 0.107, 0.251, 0.524, 0.883, 1, 1),
        4: (0.025, 0.025, 0.034, 0.067, 0.128, 0.258, 0.509, 0.796, 1),
        14: (0.025, 0.025, 0.025, 0.038, 0.070, 0.134, 0.261, 0.414, 1),
    },
    class_counts={1: (1.0,), 2: (0.47, 0.53), 4: (0.37, 0.58, 0.05), 14: (0.23, 0.58, 0.18, 0.01)},
    popularity=1.26,
)
"""1,845 clips, 6,989 events."""

THUMOS14 = Statistics(
    splits={"train": 0.5, "test": 0.5},
    durations=(20, 31.2, 42.6, 88.8, 154.6, 228.7, 430, 600, 700),
    event_counts={1: 34, 2: 39, 3: 35, 5: 40, 7: 41, 9: 37, 11: 23, 13: 19, 16: 35, 20: 30, 27: 34, 40: 29, 70: 16},
    event_shares={
        2: (0.01, 0.012, 0.019, 0.031, 0.085, 0.188, 0.374, 0.764, 0.99),
        8: (0.009, 0.011, 0.013, 0.021, 0.034, 0.056, 0.104, 0.139, 0.59),
        20: (0.004, 0.005, 0.006, 0.010, 0.016, 0.027, 0.040, 0.051, 0.28),
        70: (0.002, 0.002, 0.003, 0.005, 0.008, 0.013, 0.021, 0.029, 0.12),
    },
    class_counts={2: (0.99, 0.01), 8: (0.91, 0.09), 70: (0.76, 0.24)},
    popularity=0.78,
)
"""412 videos, 6,335 events; no video is longer than 700 s here."""

CLIPS = Statistics(
    splits={"train": 0.6, "validation": 0.2, "test": 0.2},
    durations=(15, 15.4, 16, 18.5, 22.5, 26.5, 29, 29.6, 30),
    event_counts={1: 20, 2: 35, 3: 30, 4: 15},
    event_shares={
        1: (0.10, 0.12, 0.15, 0.23, 0.35, 0.50, 0.65, 0.70, 0.80),
        2: (0.08, 0.09, 0.11, 0.16, 0.23, 0.32, 0.40, 0.45, 0.50),
        4: (0.07, 0.08, 0.09, 0.12, 0.16, 0.21, 0.28, 0.32, 0.40),
    },
    class_counts={1: (1.0,), 2: (0.35, 0.65), 4: (0.2, 0.45, 0.35)},
    popularity=0.3,
)
"""No real data set: short clips, quick to render and to learn from."""
