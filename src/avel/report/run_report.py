"""What a report on one or more runs shows: plain values, made to be short in a page.

Shares (scores, costs in mAP) are whole numbers of 1/10,000, times of 1/100 second; None: not defined. Where runs are
compared, the first one is what the others are compared with, and tuples "by run" have one element for each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

Share = int | None

UNIT, CENTISECONDS = 10_000, 100


def share(value: float | None) -> Share:
    """Return a number in units of 1/10,000; None where it is not defined."""
    return None if value is None or not math.isfinite(value) else round(UNIT * value)


def centiseconds(seconds: float) -> int:
    """Return a time in 1/100 second."""
    return round(CENTISECONDS * seconds)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What there is to say about a run as a whole.

    Attributes:
        name: of the run, short.
        facts: name of a fact -> what it is.
        notes: what speaks against taking its numbers as they are.
        curves: name of what was logged -> steps, and the numbers that were logged then.
    """

    name: str
    facts: Mapping[str, str]
    notes: tuple[str, ...] = ()
    curves: Mapping[str, tuple[list[int], list[float]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of classes.

    Attributes:
        name: its head.
        hint: what it says.
        values: one per class, by run; a single element where runs do not matter.
        share: whether they are shares; else they are counts.
    """

    name: str
    hint: str
    values: tuple[list[int | None], ...]
    share: bool = False


@dataclass(frozen=True, slots=True)
class Precision:
    """Average precision, and precision over recall.

    Attributes:
        tiou_grid: the T thresholds.
        ap: by run, per class and threshold.
        curves: by run, per class and threshold precision at evenly spaced recalls from 0 to 1; None for a class
            without events.
    """

    tiou_grid: tuple[float, ...]
    ap: tuple[list[list[Share]], ...]
    curves: tuple[list[list[list[Share]] | None], ...]


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Some mistakes of one kind: how many, which share of all that could be, and what they cost in mAP."""

    kind: str
    count: int
    share: Share
    cost: Share


@dataclass(frozen=True, slots=True)
class Bin:
    """Events that are alike: how many, which share of them is missed, and normalized mAP where only they count."""

    label: str
    events: int
    missed: Share
    ap: Share


@dataclass(frozen=True, slots=True)
class ErrorAnalysis:
    """Where a run fails.

    Attributes:
        tiou: threshold at which mistakes are counted.
        top: of each class so many times as many predictions as it has events are counted; None: all.
        ap: the mAP that the mistakes are taken from.
        ap_normalized: what `Bin.ap` is to be compared with.
        predictions: how many are counted.
        total: how many there are.
        false_positives: by kind; the other predictions are right.
        missed: events that were not found.
        characteristics: name, e.g. "length" -> its bins.
        one_sided: false positives on what is only heard or only seen; empty where the annotations do not tell.
    """

    tiou: float
    top: float | None
    ap: Share
    ap_normalized: Share
    predictions: int
    total: int
    false_positives: tuple[Mistakes, ...]
    missed: Mistakes
    characteristics: Mapping[str, tuple[Bin, ...]]
    one_sided: tuple[Mistakes, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better a run is than the first one, with the ends of a 95 % confidence interval."""

    difference: Share
    low: Share
    high: Share


@dataclass(frozen=True, slots=True)
class Found:
    """What a run found in the V videos of a gallery.

    Attributes:
        events: per video start, length, class and score of each prediction, one after the other, surest first.
        kinds: per video a digit for each prediction: 0 right, else the place of its kind of mistake in
            `Gallery.kinds`, from 1 on; empty where nothing is known.
        quality: per video how well it is done; None where that is not defined.
    """

    events: list[list[int]]
    kinds: list[str]
    quality: list[Share]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Videos to look at.

    Attributes:
        measure: what `Found.quality` is; "" where there is none.
        labels: names of what classes are called in truth and predictions, the classes of the data set first.
        videos: V ids.
        durations: V lengths.
        files: V paths of video files, as seen from the page; "" where there is none.
        truth: per video start, length and class of each annotated event, one after the other.
        found: by run.
        kinds: of mistakes.
        most: predictions of a video that are shown at most.
        left_out: how many are not.
    """

    measure: str
    labels: tuple[str, ...]
    videos: tuple[str, ...]
    durations: list[int]
    files: list[str]
    truth: list[list[int]]
    found: tuple[Found, ...]
    kinds: tuple[str, ...]
    most: int
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What there is to say about one data set.

    Attributes:
        task: its name, "" where there is only one.
        score: name of the score that counts, e.g. "map".
        scores: name -> by run.
        baselines: name of the baseline -> name of the score -> value.
        classes: names.
        columns: of the table of classes.
        precision: where events of classes are ranked.
        errors: by run, where events of classes are ranked.
        confusion: by run (true class, predicted class, how often), where seconds are classified; the class behind
            the last one is background.
        differences: for every run but the first.
        gallery: of the videos.
        notes: what speaks against taking the numbers as they are.
    """

    task: str
    score: str
    scores: Mapping[str, tuple[Share, ...]]
    baselines: Mapping[str, Mapping[str, Share]]
    classes: tuple[str, ...]
    gallery: Gallery
    columns: tuple[Column, ...] = ()
    precision: Precision | None = None
    errors: tuple[ErrorAnalysis, ...] = ()
    confusion: tuple[list[tuple[int, int, int]], ...] = ()
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All of a page: its title, the runs, and a section per data set."""

    title: str
    runs: tuple[RunFacts, ...]
    sections: tuple[Section, ...]
