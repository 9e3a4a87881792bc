"""What `results.json` says: names and means of scores, and what a data set is like, for one task or several."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

Scores = Mapping[str, float]
"""Name of a score, e.g. "map" -> its value."""

OPTIONS = ("features", "modality", "splits", "drop_leaked")
"""Options of a data set that decide what its results can be compared with; not all sets have all of them."""

SYNTHETIC = "synthetic.json"
"""File in the root of a data set that was made up (by `avel.data.synthetic`)."""

log = logging.getLogger(__name__)


class JudgedData(Protocol):
    """What results say of a data set."""

    tiou_grid: Sequence[float]

    def facts(self) -> Any:
        """What it is like; `videos` is split -> number of annotated videos."""
        ...


def score_name(*parts: str) -> str:
    """Join a name, e.g. "test/desed/map" or, where the task has no name, "test/map"."""
    return "/".join(part for part in parts if part)


def split_name(task: str, split: str) -> str:
    """Name a split in a sentence, e.g. "desed's test split" or, where the task has no name, "the test split"."""
    return f"{task}'s {split} split" if task else f"the {split} split"


def flat(prefix: str, scores: Mapping[str, Scores]) -> dict[str, float]:
    """Name the scores of all tasks, e.g. "test/desed/map".

    Args:
        prefix: beginning of all names.
        scores: task, "" where there is one without a name -> its scores.
    """
    return {
        score_name(prefix, task, name): value for task, of_task in scores.items() for name, value in of_task.items()
    }


def flat_baselines(baselines: Mapping[str, Mapping[str, Scores]]) -> dict[str, float]:
    """Name the scores of all baselines, e.g. "baseline/desed/most_frequent_everywhere/map".

    Args:
        baselines: task -> name of the baseline -> its scores.
    """
    return {
        score: value
        for task, of_task in baselines.items()
        for name, scores in of_task.items()
        for score, value in flat(score_name("baseline", task), {name.replace(" ", "_"): scores}).items()
    }


def mean_defined(scores: Collection[Scores], name: str) -> float:
    """Average one score over the tasks that have it and where it is a number; NaN where there are none."""
    values = [of_task[name] for of_task in scores if name in of_task]
    defined = [value for value in values if value == value]
    return fmean(defined) if defined else float("nan")


def score_of(document: Mapping[str, Any]) -> float | None:
    """Return what a sweep maximizes: of a training the score that chose its weights, else what the stage is about.

    None where a training was not validated, or chose its weights by the test split: it must not choose trials, too.
    """
    if document["stage"] == "fit":
        return None if document["selection_split"] == "test" else document["selection_score"]
    prefix = "val" if document["stage"] == "validate" else "test"
    return document["metrics"].get(f"{prefix}/{document['monitor']}")


def describe_data(data: JudgedData, options: Mapping[str, Any], split: str, evaluated: int) -> dict[str, Any]:
    """Say which data set results are about, whether it was made up (None: not known), and on how many of its videos.

    Args:
        data: the data set.
        options: those it was made with.
        split: the split that was judged.
        evaluated: videos of it that were seen.
    """
    root = options.get("root")
    return {name: options.get(name) for name in OPTIONS} | {
        "synthetic": (Path(root) / SYNTHETIC).is_file() if root else None,
        "tiou_grid": [round(threshold, 2) for threshold in data.tiou_grid],
        "videos": {"evaluated": evaluated, "annotated": data.facts().videos[split]},
    }


def warn_of_subset(sets: Mapping[str, Mapping[str, Any]], split: str) -> None:
    """Say so where results are not about all videos of a split.

    Args:
        sets: task -> what `describe_data` says.
        split: the split that was judged.
    """
    for task, of_task in sets.items():
        evaluated, annotated = of_task["videos"]["evaluated"], of_task["videos"]["annotated"]
        if evaluated < annotated:
            log.warning(
                "Only %d of the %d videos of %s: not comparable with results on all",
                *(evaluated, annotated, split_name(task, split)),
            )
