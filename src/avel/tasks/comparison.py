"""Runs and sweeps on disk, read to be compared; and how sure the difference of two systems is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from avel.errors import UserError
from avel.events import EventTable
from avel.exchange.names import is_plain
from avel.metrics.bootstrap import Interval, ResampledMAP, paired_bootstrap
from avel.report.compare import Group, Run, options_of, run_of
from avel.tasks.evaluation import DenseData
from avel.tasks.flat_tables import events_of, predictions_of
from avel.training.failure import read_failure
from avel.training.run_state import finished_runs, read_results
from avel.training.sweep import read_trials

SEED = re.compile("[0-9]{1,20}")


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read all runs at or below some folders; of the folder of a sweep, those of the sweep.

    Raises:
        UserError: there are none.
    """
    runs = {Path(run.folder).resolve(): run for folder in folders for run in _runs_of(folder)}
    if not runs:
        raise UserError(f"{', '.join(map(str, folders))}: no runs there; give folders of runs or of sweeps")
    return list(runs.values())


def _runs_of(folder: Path) -> list[Run]:
    trials = {Path(trial.folder): trial for trial in read_trials(folder)}
    found = []
    for path in trials or finished_runs(folder):
        if results := read_results(path):
            found.append(run_of(str(path), results))
        elif path in trials:
            given = dict(override.partition("=")[::2] for override in trials[path].overrides)
            seed = given.get("seed", "0")
            status = "failed" if trials[path].status == "failed" or read_failure(path) else "unfinished"
            options = options_of(trials[path].overrides)
            found.append(
                Run(folder=str(path), options=options, seed=int(seed) if SEED.fullmatch(seed) else None, status=status)
            )
    return found


def difference(one: Group, other: Group, data: DenseData, *, split: str, resamples: int = 1000) -> Interval:
    """Bootstrap the difference in mAP of two groups over the videos of a split; seeds of a group are averaged.

    Args:
        one: finished runs.
        other: finished runs on the same videos.
        data: what they were judged by.
        split: what was judged.
        resamples: number of draws.

    Raises:
        UserError: they did not judge the same videos, or predictions are missing.
    """
    finished = [[run for run in group.runs if run.score is not None] for group in (one, other)]
    tables = {run.folder: _predictions(run, split) for runs in finished for run in runs}
    first, *others = tables
    for folder in others:
        if set(tables[folder].videos) != set(tables[first].videos):
            raise UserError(f"{first} and {folder} predicted different videos: compare like with like")
    number = {video: place for place, video in enumerate(sorted(tables[first].videos))}
    systems = [[_resampled(tables[run.folder], number, data, split) for run in runs] for runs in finished]
    return paired_bootstrap(*systems, resamples=resamples)


def _predictions(run: Run, split: str) -> EventTable:
    path = Path(run.folder) / "predictions" / f"{split}.json"
    if not is_plain(split) or not path.is_file():
        raise UserError(f"{path}: no such file; runs with one task are compared")
    return EventTable.read_json(path)


def _resampled(table: EventTable, number: Mapping[str, int], data: DenseData, split: str) -> ResampledMAP:
    label = {name: place for place, name in enumerate(data.class_names)}
    return ResampledMAP(
        predictions_of(table, number, label),
        events_of(data, number, split),
        num_videos=len(number),
        num_classes=len(label),
        tiou_thresholds=torch.tensor(data.tiou_grid, dtype=torch.float64),
    )
