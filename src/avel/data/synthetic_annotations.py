"""Annotations for synthetic data: drawn from UnAV-100's statistics, or a subset of a real file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from avel.errors import UserError

Entry = dict[str, Any]

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}

# Measured on UnAV-100's 10,790 videos and 30,059 events.
QUANTILES = (0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1)
DURATIONS = (10, 20, 26.9, 38, 43.9, 49, 54, 58, 60)  # quantiles of the seconds of a video
EVENT_COUNTS = (4449, 2117, 1394, 945, 628, 413, 254, 194, 120, 88, 56, 36, 36)  # videos with 1, 2, … 13
EVENT_SHARES = {  # events in the video at most -> quantiles of the share of the video that one event fills
    1: (0.018, 0.289, 0.514, 0.838, 0.996, 0.999, 0.999, 1, 1),
    2: (0.010, 0.036, 0.059, 0.160, 0.414, 0.808, 0.998, 0.999, 1),
    4: (0.003, 0.023, 0.031, 0.066, 0.164, 0.372, 0.713, 0.995, 1),
    13: (0.004, 0.018, 0.020, 0.031, 0.067, 0.149, 0.312, 0.481, 1),
}
CLASS_COUNTS = {  # events in the video at most -> probabilities of 1, 2, 3, 4 classes
    1: (1.0,),
    2: (0.46, 0.54),
    4: (0.32, 0.48, 0.19, 0.01),
    13: (0.14, 0.36, 0.30, 0.20),
}
POPULARITY = 0.65
"""The class of rank r is drawn in proportion to (r + 1) ** -POPULARITY: a long tail like UnAV-100's."""

NAME_LIST = """
man talking, woman talking, dog barking, crowd cheering, car driving past, baby crying, cat
meowing, engine idling, bird singing, people laughing, rain falling, siren wailing, horse
trotting, waves breaking, bell ringing, hammer striking, motorcycle starting, helicopter
hovering, train passing, frog croaking, keyboard typing, vacuum cleaning, thunder rolling,
fireworks exploding, rooster crowing, sheep bleating, chainsaw cutting, choir singing, phone
ringing, door slamming, glass breaking, water pouring, child shouting, wind blowing, playing
violin, playing cello, playing piano, playing flute, playing trumpet, playing banjo, playing
harp, playing drums, playing marimba
"""
NAMES = [" ".join(name.split()) for name in NAME_LIST.split(",")]


def stable_rng(seed: int, *names: str) -> np.random.Generator:
    """Return the generator that belongs to (seed, names), the same in every process."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def draw_database(*, videos: int, classes: int, seed: int) -> dict[str, Entry]:
    """Draw annotations with UnAV-100's durations, event lengths, events and classes per video, and overlaps.

    Args:
        videos: number of videos, 60 / 20 / 20 % of them in train, validation and test.
        classes: number of classes; each has an event in every split that is large enough.
        seed: of everything.

    Returns:
        Video id -> entry of the official layout.

    Raises:
        UserError: there are fewer training videos than classes.
    """
    counts = split_counts(videos, SHARES)
    if not 0 < classes <= counts["train"]:
        raise UserError(f"{videos} videos ({counts['train']} for training) cannot show {classes} classes")
    names = [NAMES[i] if i < len(NAMES) else f"sound event {i}" for i in range(classes)]
    weights = np.arange(1, classes + 1, dtype=np.float64) ** -POPULARITY
    popularity = weights / weights.sum()
    database = {}
    for split, count in counts.items():
        for i in range(count):
            video = f"synthetic_{split}_{i:05d}"
            rng = stable_rng(seed, "annotations", video)
            # the first videos of a split go through the classes, so that none is left out
            main_class = i if i < classes else int(rng.choice(classes, p=popularity))
            database[video] = _draw_video(rng, split, main_class, names, popularity)
    return database


def choose_subset(
    database: dict[str, Entry], *, videos: int | None, classes: int | None, seed: int
) -> dict[str, Entry]:
    """Take some classes and some videos of a real annotation file.

    Args:
        database: video id -> entry, as in the file.
        videos: how many videos to keep, in the proportions of the splits; None keeps all.
        classes: how many classes to keep, the most frequent ones; videos that show another are left out.
        seed: chooses the videos.

    Returns:
        The chosen entries in the order of the file; label ids are 0..C-1 in the order of the original ids.

    Raises:
        UserError: the file has fewer classes or videos than asked for, or a chosen class has no video left.
    """
    frequency = Counter(event["label_id"] for entry in database.values() for event in entry["annotations"])
    classes = len(frequency) if classes is None else classes
    if not 0 < classes <= len(frequency):
        raise UserError(f"the annotation file has {len(frequency)} classes, not {classes}")
    frequent = sorted(frequency, key=lambda label: (-frequency[label], label))[:classes]
    ids = {label: i for i, label in enumerate(sorted(frequent))}
    eligible = {
        video: entry
        for video, entry in database.items()
        if all(event["label_id"] in ids for event in entry["annotations"])
    }
    chosen = _choose_videos(eligible, len(eligible) if videos is None else videos, seed)
    shown = {event["label_id"] for entry in chosen.values() for event in entry["annotations"]}
    if len(shown) < len(ids):
        raise UserError(f"{len(chosen)} videos show only {len(shown)} of {len(ids)} classes: ask for more")
    return {video: _renumber(entry, ids) for video, entry in chosen.items()}


def split_counts(total: int, weights: dict[str, float]) -> dict[str, int]:
    """Divide `total` in proportion to `weights`, which sum to anything (largest remainders first)."""
    exact = {name: total * weight / sum(weights.values()) for name, weight in weights.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def _choose_videos(database: dict[str, Entry], total: int, seed: int) -> dict[str, Entry]:
    if not 0 < total <= len(database):
        raise UserError(f"{len(database)} videos show these classes and no other, cannot choose {total}")
    splits: dict[str, list[str]] = {}
    for video, entry in database.items():
        splits.setdefault(entry["subset"], []).append(video)
    counts = split_counts(total, {split: len(members) for split, members in splits.items()})
    chosen = set()
    for split, members in splits.items():
        # by a hash of the id, so that the order of the file does not matter
        members.sort(key=lambda video: stable_rng(seed, "subset", video).random())
        chosen.update(members[: counts[split]])
    return {video: entry for video, entry in database.items() if video in chosen}


def _renumber(entry: Entry, ids: dict[int, int]) -> Entry:
    return entry | {"annotations": [row | {"label_id": ids[row["label_id"]]} for row in entry["annotations"]]}


def _draw_video(
    rng: np.random.Generator,
    split: str,
    main_class: int,
    names: Sequence[str],
    popularity: npt.NDArray[np.float64],
) -> Entry:
    duration = round(float(np.interp(rng.random(), QUANTILES, DURATIONS)), 2)
    count = 1 + int(rng.choice(len(EVENT_COUNTS), p=np.array(EVENT_COUNTS) / sum(EVENT_COUNTS)))
    bucket = next(limit for limit in EVENT_SHARES if count <= limit)
    labels = _draw_labels(rng, count, main_class, CLASS_COUNTS[bucket], popularity)
    lengths = duration * np.interp(rng.random(count), QUANTILES, EVENT_SHARES[bucket])
    annotations = []
    for label in np.unique(labels).tolist():
        for start, end in _place(rng, lengths[labels == label], duration):
            segment = [round(start, 3), round(end, 3)]
            annotations.append({"segment": segment, "label": names[label], "label_id": label})
    annotations.sort(key=lambda row: row["segment"])
    return {"duration": duration, "subset": split, "annotations": annotations}


def _draw_labels(
    rng: np.random.Generator,
    count: int,
    main_class: int,
    class_counts: Sequence[float],
    popularity: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    several = min(1 + int(rng.choice(len(class_counts), p=class_counts)), count, len(popularity))
    others = rng.choice(len(popularity), size=several, replace=False, p=popularity)
    classes = np.array([main_class, *others[others != main_class]])[:several]
    return np.concatenate([classes, classes[rng.integers(len(classes), size=count - len(classes))]])


def _place(rng: np.random.Generator, lengths: npt.NDArray[np.float64], duration: float) -> list[tuple[float, float]]:
    """Put events of one class into a video without overlap; they shrink where they do not fit."""
    # several events leave a tenth of the video free between them, a single one may fill it
    room = duration * (1.0 if len(lengths) == 1 else 0.9)
    lengths = lengths * min(1.0, room / lengths.sum())
    gaps = rng.dirichlet(np.ones(len(lengths) + 1)) * (duration - lengths.sum())
    ends = np.minimum(np.cumsum(gaps[:-1] + lengths), duration)
    return [*zip((ends - lengths).tolist(), ends.tolist(), strict=True)]
