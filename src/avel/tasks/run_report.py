"""Reports on runs: reads run folders, judges what they found again, and writes `report.html`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from avel.data.event_checks import LONGEST
from avel.errors import UserError
from avel.events import EventTable
from avel.exchange.names import is_plain
from avel.report.page import relative_url
from avel.report.run_report import Report, Section
from avel.report.run_report_page import write_report
from avel.tasks.evaluation import DenseData
from avel.tasks.pictures import SUFFIXES
from avel.tasks.report_clips import matching_section, segment_section
from avel.tasks.report_dense import dense_section
from avel.tasks.report_gallery import MOST_PREDICTIONS
from avel.tasks.report_subject import Scores, Subject
from avel.tasks.run_facts import facts_of
from avel.training.results import score_name
from avel.training.run_state import read_results

REPORT = "report.html"

SECTIONS: Mapping[str, Callable[[Subject], Section]] = {
    "map": dense_section,
    "accuracy": segment_section,
    "matching": matching_section,
}
"""Score that a task's methods are chosen by -> what a report says about the task."""

WEAK = "_weak"
"""What the name of data ends in that differ in what training is told, not in what is judged."""

NEEDED = ("data", "stage", "split", "metrics")
"""What a report asks of `results.json`."""

NEEDED_OF_TASKS = ("videos", "tiou_grid")
"""What it asks of each task there, or of the whole where the data set is the only one."""


class ReportedData(Protocol):
    """What a report asks of a data module."""

    def by_task(self) -> Mapping[str, Any]:
        """The data sets by the task that their batches bear; a data set of its own is that of the task ""."""
        ...


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A run that was judged.

    Attributes:
        folder: its run folder.
        results: what its `results.json` says.
        tables: task -> what was found.
    """

    folder: Path
    results: Mapping[str, Any]
    tables: Mapping[str, EventTable]

    @property
    def prefix(self) -> str:
        """What the names of its scores begin with."""
        return "val" if self.results["stage"] == "validate" else "test"

    @property
    def score(self) -> str:
        """Name of the score that counts."""
        return str(self.results.get("monitor", "map"))

    def scores(self, task: str) -> Scores:
        """Return the scores of a task."""
        start = score_name(self.prefix, task) + "/"
        named = {
            name.removeprefix(start): value for name, value in self.results["metrics"].items() if name.startswith(start)
        }
        return {name: value for name, value in named.items() if "/" not in name}

    def baselines(self, task: str) -> Mapping[str, Scores]:
        """Return the baselines of a task."""
        baselines: Mapping[str, Any] = self.results.get("baselines", {})
        return baselines.get(task, {}) if task else baselines


def read_run(folder: Path) -> JudgedRun:
    """Read a run folder.

    Raises:
        UserError: it is no folder of a run that was tested or validated, its predictions are missing, or what is there
            was written by another version.
    """
    results = read_results(folder) if folder.is_dir() else None
    if results is None:
        raise UserError(f"{folder}: no results.json there; give the folder of a run that has come to its end")
    sets = results.get("tasks", {"": results}).values()
    lacking = [name for name in NEEDED if name not in results]
    lacking += [name for name in NEEDED_OF_TASKS if not all(name in of_task for of_task in sets)]
    if lacking or results.get("monitor", "map") not in SECTIONS:
        what = f"lacks {', '.join(lacking)}" if lacking else f"is about {results['monitor']}"
        raise UserError(f"{folder / 'results.json'} {what}: it is of another version; repeat the run's test")
    if wrong := [name for name in (results["split"], *results.get("tasks", ())) if not is_plain(str(name))]:
        raise UserError(f"{folder / 'results.json'}: {wrong[0]!r} is no name of a split or task: repeat the run's test")
    if results["stage"] == "predict":
        raise UserError(f"{folder}: has predicted only (stage=predict), nothing was judged; give a run that tested")
    tables = {task: _read_table(folder, task, results["split"]) for task in results.get("tasks", {"": None})}
    return JudgedRun(folder, results, tables)


def _read_table(folder: Path, task: str, split: str) -> EventTable:
    path = folder / "predictions" / task / f"{split}.json"
    try:
        table = EventTable.read_json(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): repeat the run's test, or give another run") from None
    if not table.videos:
        raise UserError(f"{path}: is about no video: repeat the run's test, or give another run")
    for event in table:
        if not all(abs(value) < LONGEST for value in (event.start, event.end, event.score or 0.0)):
            raise UserError(f"{path}: video {event.video!r}: no run finds {event}: repeat the run's test")
    return table


def write_run_report(
    page: Path,
    runs: Sequence[JudgedRun],
    data: ReportedData,
    *,
    videos: Path | None = None,
    resamples: int = 1000,
    most_predictions: int = MOST_PREDICTIONS,
) -> None:
    """Write the report on a run, or on several that are compared with the first one.

    Args:
        page: where to write it.
        runs: at least one; all judged on the same videos.
        data: what they were judged by.
        videos: folder of the videos, `<id>.mp4` or another of `SUFFIXES`, which the page plays; None: it has no player.
        resamples: draws for the confidence interval of a difference.
        most_predictions: that the page holds; of each video the surest ones.

    Raises:
        UserError: the runs were not judged alike, the data have changed since, or there is no such folder.
    """
    check_alike(runs)
    tasks = data.by_task()
    for task, of_task in tasks.items():
        check_known(of_task, runs[0], task)
    subjects = [
        Subject(
            data=of_task,
            split=runs[0].results["split"],
            task=task,
            tables=[run.tables[task] for run in runs],
            score=runs[0].score,
            scores=[run.scores(task) for run in runs],
            baselines=runs[0].baselines(task),
            files=find_videos(videos, runs[0].tables[task].videos, page),
            resamples=resamples,
            most_predictions=most_predictions // len(tasks),
        )
        for task, of_task in tasks.items()
    ]
    facts = [facts_of(name, run.folder, run.results) for name, run in zip(short_names(runs), runs, strict=True)]
    sections = [SECTIONS[subject.score](subject) for subject in subjects]
    write_report(page, Report(_title(runs), tuple(facts), tuple(sections)))


def check_alike(runs: Sequence[JudgedRun]) -> None:
    """Raise a UserError unless runs were judged on the same data, by the same scores."""
    judged = [(run.results["data"].removesuffix(WEAK), run.results["split"], run.score, *run.tables) for run in runs]
    for run, of_run in zip(runs, judged, strict=True):
        if of_run != judged[0]:
            raise UserError(
                f"{runs[0].folder} and {run.folder} were judged on different data, splits or scores: compare like with"
                " like"
            )


def check_known(data: DenseData, run: JudgedRun, task: str) -> None:
    """Raise a UserError unless a data set has annotations of all videos that a run judged."""
    known = data.targets(run.results["split"])
    if lost := [video for video in run.tables[task].videos if video not in known]:
        raise UserError(
            f"{run.folder}: {lost[0]!r} ({len(lost)} such videos) is not in the {run.results['split']} split any more:"
            " the annotations have changed since; repeat the run's test"
        )


def find_videos(folder: Path | None, videos: Sequence[str], page: Path) -> dict[str, str]:
    """Return the video files that a folder has: id -> relative URL, seen from the page.

    Raises:
        UserError: there is no such folder.
    """
    if folder is None:
        return {}
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder of videos")
    there = {path.name: path for path in folder.iterdir()}
    paths = {video: next((there[video + end] for end in SUFFIXES if video + end in there), None) for video in videos}
    return {video: relative_url(page, path) for video, path in paths.items() if path}


def short_names(runs: Sequence[JudgedRun]) -> list[str]:
    """Name runs by their folders, as far as these differ; where they lie beside each other, with the one around."""
    folders = [run.folder.resolve() for run in runs]
    if len(runs) == 1:
        return [folders[0].name]
    parents = {folder.parent for folder in folders}
    base = parents.pop().parent if len(parents) == 1 else Path(os.path.commonpath(parents))
    return [folder.relative_to(base).as_posix() for folder in folders]


def _title(runs: Sequence[JudgedRun]) -> str:
    results = [run.results for run in runs]
    experiments = dict.fromkeys(str(of_run.get("experiment") or of_run.get("method", "run")) for of_run in results)
    return " and ".join(experiments) + (f": {len(runs)} runs compared" if len(runs) > 1 else "")
