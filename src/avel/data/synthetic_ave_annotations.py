"""Annotations and splits for synthetic AVE: drawn from AVE's statistics, or a subset of a real file."""

from __future__ import annotations

import numpy as np

from avel.data.clips import ClipAnnotations, Indices
from avel.data.synthetic_annotations import name_classes, split_counts, stable_rng
from avel.errors import UserError

SNIPPETS = 10
"""Seconds of a clip."""

# Measured on AVE's 4,143 videos.
LENGTH_COUNTS = (0, 0, 214, 220, 217, 196, 200, 139, 111, 95, 2750)
"""Videos whose event is 0, 1, … 10 seconds long."""
AT_START, AT_END = 0.36, 0.46
"""Shares of the partial events that begin or end with the video."""
RAREST = 1 / 3
"""Videos of the rarest class for one of the most frequent, about."""

HELD_OUT, FEWEST, MOST = 402 / 4143, 60, 0.2
"""Share of the videos in validation, and in test; where that is fewer than 60 videos, up to a fifth."""
LEAST = 3
"""Videos of a class: one for each split."""

SPLITS = ("train", "val", "test")


def draw_clips(*, videos: int, classes: int, seed: int) -> ClipAnnotations:
    """Draw annotations with AVE's lengths and places of events and frequencies of classes, grouped by class as AVE's.

    Args:
        videos: number of videos, one event each.
        classes: number of classes, at least 2.
        seed: of everything.

    Raises:
        UserError: there are too few classes, or too few videos for them.
    """
    if classes < 2 or videos < LEAST * classes:
        raise UserError(
            f"{videos} videos cannot show {classes} classes: ask for at least 2 classes and {LEAST} videos of each"
        )
    class_names = name_classes(classes)
    weights = dict(zip(class_names, np.linspace(1, RAREST, classes).tolist(), strict=True))
    counts = [LEAST + more for more in split_counts(videos - LEAST * classes, weights).values()]
    rng = stable_rng(seed, "annotations")
    # by even steps through the distribution, so that small sets have it as well
    quantiles = (rng.permutation(videos) + 0.5) / videos
    lengths = np.searchsorted(np.cumsum(LENGTH_COUNTS), quantiles * sum(LENGTH_COUNTS))
    where, free = rng.random(videos), SNIPPETS - lengths
    starts = np.where(where < AT_START, 0, np.where(where < AT_START + AT_END, free, rng.integers(0, free + 1)))
    ids = tuple(f"synthetic_{number:05d}" for number in range(videos))
    return ClipAnnotations(
        videos=ids,
        sources=ids,
        classes=np.repeat(np.arange(classes), counts),
        segments=np.stack([starts, starts + lengths], axis=1),
        snippets=SNIPPETS,
        class_names=tuple(class_names),
    )


def choose_clips(
    annotations: ClipAnnotations, *, videos: int | None, classes: int | None, seed: int
) -> ClipAnnotations:
    """Take some videos of the most frequent classes, in their order; classes are numbered anew by first appearance.

    Args:
        annotations: what to choose from.
        videos: how many, in the proportions of the classes; None takes all of the chosen classes.
        classes: how many classes, at least 2; None takes all.
        seed: chooses the videos.

    Raises:
        UserError: there are fewer than asked for, or a class would have too few videos.
    """
    totals = np.bincount(annotations.classes, minlength=annotations.background)
    classes = len(totals) if classes is None else classes
    if not 2 <= classes <= len(totals):
        raise UserError(f"the annotation file has {len(totals)} classes, cannot choose {classes} (at least 2)")
    frequent = np.argsort(-totals, kind="stable")[:classes].tolist()
    available = int(totals[frequent].sum())
    videos = available if videos is None else videos
    if not 0 < videos <= available:
        raise UserError(f"{available} videos show these {classes} classes, cannot choose {videos}")
    shares = split_counts(videos, {str(label): int(totals[label]) for label in frequent})
    if min(shares.values()) < LEAST:
        raise UserError(f"{videos} videos leave some of {classes} classes fewer than {LEAST}: ask for more videos")
    # by a hash of the id, so that the order of the file does not matter
    ranks = np.array([stable_rng(seed, "subset", video).random() for video in annotations.videos])
    members = [np.flatnonzero(annotations.classes == label) for label in frequent]
    chosen = [rows[ranks[rows].argsort()[:share]] for rows, share in zip(members, shares.values(), strict=True)]
    return _subset(annotations, np.sort(np.concatenate(chosen)))


def to_lines(annotations: ClipAnnotations) -> list[str]:
    """Return the lines of `Annotations.txt` that say the same."""
    names = [annotations.class_names[label] for label in annotations.classes]
    times = annotations.segments.tolist()
    return [
        f"{name}&{video}&good&{start}&{end}"
        for name, video, (start, end) in zip(names, annotations.sources, times, strict=True)
    ]


def draw_orders(annotations: ClipAnnotations, seed: int) -> dict[str, Indices]:
    """Split the videos of each class; name of a split -> its rows, sorted by class and random inside of it as in AVE.

    Raises:
        UserError: a class has too few videos for three splits.
    """
    rng = stable_rng(seed, "orders")
    totals = np.bincount(annotations.classes, minlength=annotations.background).tolist()
    shares = split_counts(_held_out(annotations), dict(zip(annotations.class_names, totals, strict=True)))
    parts: dict[str, list[Indices]] = {split: [] for split in SPLITS}
    for label, (name, share) in enumerate(shares.items()):
        if totals[label] < LEAST:
            raise UserError(f"{totals[label]} videos of {name!r} cannot be split in three: each class needs {LEAST}")
        rows, few = rng.permutation(np.flatnonzero(annotations.classes == label)), max(1, share)
        for split, part in zip(SPLITS, np.split(rows, [-2 * few, -few]), strict=True):
            parts[split].append(part)
    return {split: np.concatenate(rows) for split, rows in parts.items()}


def draw_matching_orders(annotations: ClipAnnotations, seed: int) -> dict[str, Indices]:
    """Split all videos for cross-modality localization.

    As in AVE, all test videos have a partial event (they stand in no order), and so have half of the validation videos;
    where there are few such events, test has half of them.

    Raises:
        UserError: no video has a partial event.
    """
    rng = stable_rng(seed, "matching orders")
    lengths = np.diff(annotations.segments)[:, 0]
    partial = np.flatnonzero((lengths > 0) & (lengths < annotations.snippets))
    if not len(partial):
        raise UserError("no video has an event that leaves some seconds free: there is nothing to test matching on")
    few = _held_out(annotations)
    partial = rng.permutation(partial)
    test, other = np.split(partial, [min(few, max(len(partial) - few // 2, (len(partial) + 1) // 2))])
    searched = other[: few // 2]
    rest = rng.permutation(np.setdiff1d(np.arange(len(annotations)), np.append(test, searched)))
    validation, train = np.split(rest, [few - len(searched)])
    return {"train": np.sort(train), "val": np.sort(np.append(searched, validation)), "test": test}


def _held_out(annotations: ClipAnnotations) -> int:
    videos = len(annotations)
    return max(1, round(min(max(HELD_OUT * videos, FEWEST), MOST * videos)))


def _subset(annotations: ClipAnnotations, rows: Indices) -> ClipAnnotations:
    kept = list(dict.fromkeys(annotations.classes[rows].tolist()))
    numbers = np.full(annotations.background, -1, dtype=np.int64)
    numbers[kept] = np.arange(len(kept))
    return ClipAnnotations(
        videos=tuple(annotations.videos[row] for row in rows),
        sources=tuple(annotations.sources[row] for row in rows),
        classes=numbers[annotations.classes[rows]],
        segments=annotations.segments[rows],
        snippets=annotations.snippets,
        class_names=tuple(annotations.class_names[label] for label in kept),
    )
