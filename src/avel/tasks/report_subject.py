"""A data set that a report is about, and what sections have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from avel.events import EventTable
from avel.metrics.bootstrap import Resampled, paired_bootstrap
from avel.report.run_report import Difference, Gallery, Section, Share, share
from avel.tasks.report_gallery import Judged, make_gallery

Scores = Mapping[str, float | None]
"""Name of a score -> what it is; None where it is not defined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A data set, what runs found in it, and what they scored.

    Attributes:
        data: the data set.
        split: that was judged.
        task: name of the data set, "" where there is only one.
        tables: what was found, by run; all about the same videos.
        score: name of the score that counts.
        scores: by run.
        baselines: name of the baseline -> its scores.
        files: video id -> its file, as seen from the page.
        resamples: draws for the confidence interval of a difference.
        most_predictions: that the page may hold.
    """

    data: Any
    split: str
    task: str
    tables: Sequence[EventTable]
    score: str
    scores: Sequence[Scores]
    baselines: Mapping[str, Scores]
    files: Mapping[str, str]
    resamples: int
    most_predictions: int

    def gallery(self, runs: Sequence[Judged], measure: str, kinds: Sequence[str] = ()) -> Gallery:
        """Collect the videos, see `make_gallery`."""
        return make_gallery(
            self.data,
            self.split,
            runs,
            measure=measure,
            kinds=kinds,
            files=self.files,
            most_predictions=self.most_predictions,
        )

    def section(self, gallery: Gallery, classes: Sequence[str]) -> Section:
        """Say what there is to say about any task: the scores, and those of baselines."""
        names = [name for name in self.scores[0] if all(name in scores for scores in self.scores)]
        return Section(
            task=self.task,
            score=self.score,
            scores={name: tuple(share(scores[name]) for scores in self.scores) for name in names},
            baselines={
                name: {score: share(value) for score, value in scores.items()}
                for name, scores in self.baselines.items()
            },
            classes=tuple(classes),
            gallery=gallery,
        )

    def differences(self, runs: Sequence[Resampled]) -> tuple[Difference, ...]:
        """Compare all runs with the first one."""
        first, *others = runs
        found = (paired_bootstrap([other], [first], resamples=self.resamples) for other in others)
        return tuple(Difference(*(share(value) for value in (of.difference, of.low, of.high))) for of in found)


def shares(values: Tensor) -> list[Share]:
    """Return numbers (N,) in the units of a report."""
    return [share(value) for value in values.tolist()]
