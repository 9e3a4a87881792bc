"""Runs side by side: what each scored, mean and standard deviation over seeds, and the best by what chose its weights.

"±" is the sample standard deviation over seeds (n - 1). The best run is never chosen by a score on the test split.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from rich.table import Column, Table

from avel.errors import UserError, harmless
from avel.run_names import deciding
from avel.terminal import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run, or a trial of a sweep that has no results.

    Attributes:
        folder: its run folder.
        options: what decided its result, without the seed: key -> value.
        seed: None where it is not known.
        status: "done", "failed" or "unfinished".
        judged: what the score is one of, e.g. "map of unav100, test split"; only like is compared with like.
        split: what was judged.
        selection: the score that chose its weights; None where none did, or one of the test split.
        score: in [0, 1].
    """

    folder: str
    options: Mapping[str, str]
    seed: int | None
    status: str
    judged: str = ""
    split: str = "test"
    selection: float | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that differ by their seeds alone."""

    label: str
    runs: tuple[Run, ...]

    @property
    def scores(self) -> list[float]:
        """Scores of the runs that have one."""
        return [run.score for run in self.runs if run.score is not None]

    @property
    def selections(self) -> list[float]:
        """Scores by which their weights were chosen."""
        return [run.selection for run in self.runs if run.selection is not None]


def run_of(folder: str, results: Mapping[str, Any]) -> Run:
    """Read what `results.json` says.

    Raises:
        UserError: it lacks what runs are told apart by.
    """
    if lacking := [name for name in ("data", "stage", "split", "seed") if results.get(name) is None]:
        raise UserError(f"{folder}: results.json lacks {', '.join(lacking)}: repeat the run's test")
    monitor, split = results.get("monitor", "map"), results["split"]
    prefix = "val" if results["stage"] == "validate" else "test"
    overrides = results.get("overrides", [f"experiment={results.get('experiment')}"])  # those of old runs are not known
    return Run(
        folder=folder,
        options=options_of(overrides),
        seed=results["seed"],
        status="done",
        judged=f"{monitor} of {results['data']}, {split} split",
        split=split,
        selection=None if results.get("selection_split") == "test" else results.get("selection_score"),
        score=results["metrics"].get(f"{prefix}/{monitor}"),
    )


def options_of(overrides: Sequence[str]) -> dict[str, str]:
    """Return what decides a result, except for the seed."""
    return {key: value for key, value in deciding(overrides).items() if key != "seed"}


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Put runs together that differ by their seeds alone; a label names the options in which groups differ."""
    groups: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(sorted(run.options.items())), []).append(run)
    shared = set.intersection(*(set(options) for options in groups)) if groups else set()
    if len(groups) == 1:
        return [Group(runs[0].options.get("experiment", ""), tuple(runs))]
    labels = [[pair for pair in options if pair not in shared] for options in groups]
    short = [", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in label) for label in labels]
    whole = [", ".join(f"{key}={value}" for key, value in label) for label in labels]
    labelled = short if len(set(short)) == len(short) else whole
    return [Group(label, tuple(of_group)) for label, of_group in zip(labelled, groups.values(), strict=True)]


def best_run(runs: Sequence[Run]) -> Run | None:
    """Return the run whose weights were chosen by the highest score; None where scores are not alike."""
    chosen = [run for run in runs if run.selection is not None]
    alike = len({run.judged for run in chosen}) == 1
    return max(chosen, key=lambda run: run.selection or 0.0) if alike else None


def group_rows(groups: Sequence[Group]) -> list[list[str]]:
    """Write a row per group: label, seeds, selection, score, in percent."""
    return [[group.label, str(len(group.scores)), spread(group.selections), spread(group.scores)] for group in groups]


def run_rows(groups: Sequence[Group]) -> list[list[str]]:
    """Write a row per run: label, seed, status, selection, score, folder."""
    best = best_run([run for group in groups for run in group.runs])
    return [
        [
            group.label,
            "" if run.seed is None else str(run.seed),
            f"{run.status}, best" if run is best else run.status,
            spread([] if run.selection is None else [run.selection]),
            spread([] if run.score is None else [run.score]),
            run.folder,
        ]
        for group in groups
        for run in group.runs
    ]


GROUP_HEAD = ("runs", "seeds", "selection", "score")
RUN_HEAD = ("run", "seed", "status", "selection", "score", "folder")


def show_tables(groups: Sequence[Group]) -> list[Table]:
    """Tabulate groups and runs for a terminal."""
    judged = ", ".join(sorted({run.judged for group in groups for run in group.runs if run.judged}))
    tables = []
    for head, rows, title in (
        (GROUP_HEAD, group_rows(groups), f"{judged} (%)\nmean ± standard deviation over seeds"),
        (RUN_HEAD, run_rows(groups), "best: by the score that chose its weights"),
    ):
        table = Table(*(Column(name, overflow="fold") for name in head), title=title, title_justify="left")
        for row in rows:
            table.add_row(*map(escape, row))
        tables.append(table)
    return tables


def to_markdown(groups: Sequence[Group], notes: Sequence[str] = ()) -> str:
    """Write both tables, and lines below them, for a page."""
    tables = [_markdown(GROUP_HEAD, group_rows(groups)), _markdown(RUN_HEAD, run_rows(groups))]
    return "\n\n".join([*tables, *notes]) + "\n"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(markdown_cell, line))} |" for line in lines)


def markdown_cell(text: str) -> str:
    """Write text for a cell of a table in Markdown, in which it stays text and in one line."""
    return " ".join(harmless(text).replace("|", r"\|").replace("<", "&lt;").split())


def to_csv(groups: Sequence[Group]) -> str:
    """Write a row per run, with unrounded numbers in [0, 1] and a column for every option."""
    options = sorted({key for group in groups for run in group.runs for key in run.options})
    columns = ["folder", "status", "seed", "judged", "selection", "score", *options]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for run in (run for group in groups for run in group.runs):
        fixed = {name: getattr(run, name) for name in columns[: len(columns) - len(options)]}
        writer.writerow(fixed | dict(run.options))
    return text.getvalue()


def spread(values: Sequence[float]) -> str:
    """Write mean ± sample standard deviation in percent; of one value, that; of none, nothing."""
    if not values:
        return ""
    mean = f"{100 * fmean(values):.2f}"
    return f"{mean} ± {100 * stdev(values):.2f}" if len(values) > 1 else mean
