"""Annotations for synthetic data: drawn from the statistics of a real data set, or a subset of a real file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from avel.data.synthetic_statistics import QUANTILES, UNAV100, Statistics
from avel.errors import UserError

Entry = dict[str, Any]

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


def name_classes(count: int) -> list[str]:
    """Return the names of made-up classes."""
    return [NAMES[i] if i < len(NAMES) else f"sound event {i}" for i in range(count)]


def draw_database(*, videos: int, classes: int, seed: int, statistics: Statistics = UNAV100) -> dict[str, Entry]:
    """Draw annotations with a data set's splits, durations, event lengths, events and classes per video, and overlaps.

    Args:
        videos: number of videos.
        classes: number of classes; each has an event in every split that is large enough.
        seed: of everything.
        statistics: what the data set is like.

    Returns:
        Video id -> entry of the layout in `avel.data.annotations`.

    Raises:
        UserError: there are fewer training videos than classes.
    """
    counts = split_counts(videos, statistics.splits)
    if not 0 < classes <= counts["train"]:
        raise UserError(f"{videos} videos ({counts['train']} for training) cannot show {classes} classes")
    names = name_classes(classes)
    weights = np.arange(1, classes + 1, dtype=np.float64) ** -statistics.popularity
    popularity = weights / weights.sum()
    database = {}
    for split, count in counts.items():
        for i in range(count):
            video = f"synthetic_{split}_{i:05d}"
            rng = stable_rng(seed, "annotations", video)
            # the first videos of a split go through the classes, so that none is left out
            main_class = i if i < classes else int(rng.choice(classes, p=popularity))
            database[video] = _draw_video(rng, split, main_class, names, popularity, statistics)
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


def split_counts(total: int, weights: Mapping[str, float]) -> dict[str, int]:
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
    statistics: Statistics,
) -> Entry:
    duration = round(float(np.interp(rng.random(), QUANTILES, statistics.durations)), 2)
    counts, videos = (np.array([*column]) for column in zip(*statistics.event_counts.items(), strict=True))
    count = int(counts[rng.choice(len(counts), p=videos / videos.sum())])
    labels = _draw_labels(rng, count, main_class, _up_to(statistics.class_counts, count), popularity)
    lengths = duration * np.interp(rng.random(count), QUANTILES, _up_to(statistics.event_shares, count))
    annotations = []
    for label in np.unique(labels).tolist():
        for start, end in _place(rng, lengths[labels == label], duration):
            segment = [round(start, 3), round(end, 3)]
            annotations.append({"segment": segment, "label": names[label], "label_id": label})
    annotations.sort(key=lambda row: row["segment"])
    return {"duration": duration, "subset": split, "annotations": annotations}


def _up_to(table: Mapping[int, tuple[float, ...]], count: int) -> tuple[float, ...]:
    return next(row for limit, row in table.items() if count <= limit)


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
