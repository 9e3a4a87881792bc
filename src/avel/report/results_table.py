"""The README's table of results: what was measured here beside what is published, a row per experiment.

A row is about the runs with the fewest changed options; of several such, the newest. Runs on all videos of a real test
split come before those on synthetic or on a few videos. Of runs that differ by their seeds alone it shows mean ± sample
standard deviation. No run is chosen by its test score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from avel.errors import UserError
from avel.report.compare import markdown_cell, options_of, spread
from avel.report.published import Literature, PublishedResult

Results = Mapping[str, Any]
"""What `results.json` says of a run."""

HEAD = ("experiment", "what it is", "measured here (%)", "on", "published (%)")
BEGIN, END = "<!-- made by: make results -->", "<!-- end of: make results -->"

HOW = {
    *("trainer=cpu", "trainer=gpu", "trainer.accelerator", "method.checkpoint_activations", "data.loader.num_workers"),
    "untrained",
}
"""Options, or single values of options, that say how a run is computed and not what."""

ASKED = ("experiment", "monitor", "seed", "overrides", "metrics")
"""What the table asks of a run, and `videos` and `tiou_grid` of each of its data sets."""

METRICS = {"map": "mAP", "matching": "accuracy, mean of both directions"}
"""What the table calls the scores that methods are judged by, if not by their names."""

RECORDED = (
    *("experiment", "method", "data", "size", "protocol", "features", "synthetic", "tiou_grid", "videos", "tasks"),
    *("stage", "split", "monitor", "selection_split", "seed", "overrides", "metrics", "finished"),
    *("parameters", "seconds", "versions", "git_commit"),
)
"""What is kept of a run where its folder is not."""

FOLDERS = re.compile(r"(?<![^\s,=\[\]{}'\":])[^\s,=\[\]{}'\":]*/(?=\w)")
"""All of a path but its last part: it says something on one machine only."""


def choose_runs(documents: Iterable[Results], experiments: Iterable[str]) -> dict[str, list[Results]]:
    """Choose the runs that stand for experiments, among trainings that were tested and have a score.

    Args:
        documents: of runs; `finished` says when they ended, in ISO's format, and those that do not say are the oldest.
        experiments: their names.
    """
    found: dict[str, list[Results]] = {name: [] for name in experiments}
    for document in sorted(documents, key=lambda document: document.get("finished", "")):
        tested = _is_complete(document) and (document.get("stage"), document.get("split")) == ("fit", "test")
        if tested and document["experiment"] in found and _score(document) is not None:
            found[document["experiment"]].append(document)
    return {name: representative(of_experiment) for name, of_experiment in found.items()}


def representative(documents: Iterable[Results]) -> list[Results]:
    """Choose those that were judged properly, with the fewest changed options, the newest of each seed, by seed.

    Args:
        documents: of trainings of one experiment, oldest first.
    """
    groups: dict[tuple[bool, bool, tuple[tuple[str, str], ...]], dict[int, Results]] = {}
    for document in documents:
        key = *_lacking(document), tuple(changes(document).items())
        groups[key] = groups.pop(key, {}) | {document["seed"]: document}  # the newest group is the last
    first = min(reversed(groups), key=lambda key: (*key[:2], len(key[2])), default=None)
    return [document for _, document in sorted(groups[first].items())] if first else []


def _is_complete(document: Results) -> bool:
    """Whether a run says what a table tells; those of other versions may not."""
    parts = document.get("tasks", {"": document}).values()
    return all(document.get(name) is not None for name in ASKED) and all(
        name in part for part in parts for name in ("videos", "tiou_grid")
    )


def _lacking(document: Results) -> tuple[bool, bool]:
    """Whether a run was judged on synthetic videos, and on a part of them."""
    parts = document.get("tasks", {"": document}).values()
    counts = [part["videos"] for part in parts]
    return any(part.get("synthetic") for part in parts), any(n["evaluated"] < n["annotated"] for n in counts)


def changes(document: Results) -> dict[str, str]:
    """Return the options by which a run differs from its experiment; of a path, the last part."""
    return {
        key: _without_folders(value)
        for key, value in options_of(document["overrides"]).items()
        if key != "experiment" and not {key, f"{key}={value}"} & HOW
    }


def read_record(path: Path) -> list[Results]:
    """Read the file that keeps what a table is made of; none without it.

    Raises:
        UserError: it is damaged.
    """
    try:
        runs: list[Results] = [dict(run) for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path}: `make results` wrote something else; restore it from the repository") from None
    return runs


def record(document: Results) -> dict[str, Any]:
    """Return what is kept of a run: the score that its method is judged by, and how it came about."""
    kept = {name: document[name] for name in RECORDED if name in document}
    scores = re.compile(rf"test/(.*/)?{re.escape(document['monitor'])}")
    return kept | {
        "metrics": {name: value for name, value in document["metrics"].items() if scores.fullmatch(name)},
        "overrides": [_without_folders(override) for override in document["overrides"]],
    }


def _without_folders(text: str) -> str:
    return FOLDERS.sub("", text).rstrip("/")


def write_table(
    descriptions: Mapping[str, str], literature: Mapping[str, Literature], runs: Mapping[str, Sequence[Results]]
) -> str:
    """Write the table, and notes on what is published, in Markdown.

    Args:
        descriptions: experiment -> what it is.
        literature: experiment -> what is published, in the order of the rows.
        runs: experiment -> the runs that stand for it.
    """
    notes: list[str] = []
    lines = [HEAD, ["---"] * len(HEAD)]
    for name, found in literature.items():
        published = ", ".join(_with_note(result, notes) for result in found.results) or found.absent
        lines.append([f"`{name}`", *map(markdown_cell, (descriptions[name], *measured(runs[name]))), published])
    table = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([*table, "", *(f"{place}. {note}" for place, note in enumerate(notes, 1))])


def _with_note(result: PublishedResult, notes: list[str]) -> str:
    notes.append(result.note())
    return f"{result.value} <sup>{len(notes)}</sup>"


def measured(documents: Sequence[Results]) -> tuple[str, str]:
    """Say what runs that differ by their seeds alone scored, and on what; or that there are none."""
    if not documents:
        return "no run yet", ""
    newest = documents[-1]
    tasks = newest.get("tasks", {"": newest})
    changed = ", ".join(f"`{key}={value}`" for key, value in changes(newest).items())
    about = [
        f"{len(documents)} seeds" if len(documents) > 1 else "1 seed",
        *(_videos(task, part) for task, part in tasks.items()),
        f"weights chosen on {split}" if (split := newest.get("selection_split")) else "weights of the last epoch",
        f"changed: {changed}" if changed else "",
    ]
    return "; ".join(_scores(documents, task, part) for task, part in tasks.items()), "; ".join(filter(None, about))


def _scores(documents: Sequence[Results], task: str, part: Results) -> str:
    monitor = documents[-1]["monitor"]
    values = [value for document in documents if (value := _score(document, task)) is not None]
    grid = grid_name(part["tiou_grid"]) if monitor == "map" else ""
    return " ".join(filter(None, (task, spread(values), METRICS.get(monitor, monitor), grid)))


def _score(document: Results, task: str = "") -> float | None:
    value: float | None = document["metrics"].get("/".join(filter(None, ("test", task, document["monitor"]))))
    return value


def _videos(task: str, part: Results) -> str:
    evaluated, annotated = part["videos"]["evaluated"], part["videos"]["annotated"]
    of_all = f"{evaluated:,}" if evaluated == annotated else f"only {evaluated:,} of {annotated:,}"
    kind = "**synthetic** test videos" if part.get("synthetic") else "test videos"
    return " ".join([of_all, kind, *(["of", task] if task else [])])


def grid_name(thresholds: Sequence[float]) -> str:
    """Name tIoU thresholds, e.g. "0.1:0.1:0.9"; those that are not evenly spaced one by one."""
    steps = {round(after - before, 4) for before, after in zip(thresholds, thresholds[1:], strict=False)}
    if len(steps) != 1:
        return ", ".join(f"{threshold:g}" for threshold in thresholds)
    return f"{thresholds[0]:g}:{steps.pop():g}:{thresholds[-1]:g}"


def put_between(page: str, table: str, name: str) -> str:
    """Put a table in the place of what stands between the lines `BEGIN` and `END` of a page.

    Raises:
        UserError: page `name` does not have both, once each and in this order.
    """
    if [line for line in page.splitlines() if line in (BEGIN, END)] != [BEGIN, END]:
        raise UserError(f"{name}: needs the lines {BEGIN} and {END}, once each, for the table between them")
    before, rest = page.split(f"{BEGIN}\n")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}"
