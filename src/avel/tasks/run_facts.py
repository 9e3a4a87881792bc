"""What a report says about a run as a whole: what it was, what speaks against its numbers, how its training went."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from avel.errors import UserError, readable
from avel.report.run_report import RunFacts

MOST_POINTS = 300
"""Of a curve: more cannot be told apart."""

CURVES = ("val", "train", "lr")
"""What the columns of `metrics.csv` begin with that are drawn."""

Curves = dict[str, tuple[list[int], list[float]]]


def facts_of(name: str, folder: Path, results: Mapping[str, Any]) -> RunFacts:
    """Say what a run was.

    Args:
        name: what it is called.
        folder: its run folder.
        results: what its `results.json` says.
    """
    known = {fact: text for fact, text in _facts(results) if text}
    return RunFacts(name, known, tuple(_notes(results)), read_curves(folder / "metrics.csv"))


def _facts(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "experiment", _text(results.get("experiment"))
    yield "method", _joined(results.get("method"), results.get("size"), results.get("supervision"))
    yield "data", _text(results.get("data"))
    sets = results.get("tasks", {"": results})
    for task, of_task in sets.items():
        of = f" ({task})" if task else ""
        for option in ("features", "modality", "splits"):
            yield f"{option}{of}", _text(of_task.get(option))
        yield f"synthetic{of}", "yes, the data are made up" if of_task.get("synthetic") else ""
        videos = of_task["videos"]
        yield f"judged on{of}", f"{results['split']} split, {videos['evaluated']} of {videos['annotated']} videos"
        if any(name.endswith("/map") for name in results["metrics"]):
            yield f"tIoU grid{of}", ", ".join(f"{threshold:g}" for threshold in of_task["tiou_grid"])
    if "tasks" in results:
        yield "mean over tasks", _mean_over_tasks(results)
    yield "weights chosen by", _selection(results)
    yield "protocol", _text(results.get("protocol"))
    yield "seed", _text(results.get("seed"))
    yield "parameters", f"{results['parameters']:,}" if "parameters" in results else ""
    yield "time", duration(results["seconds"]) if "seconds" in results else ""
    yield "peak memory", f"{results['peak_memory_mib']:,} MiB" if "peak_memory_mib" in results else ""
    yield "asked for", " ".join(override for override in results.get("overrides", ()) if "experiment=" not in override)
    yield "weights", _text(results.get("ckpt_path"))
    yield "code", _joined(*(f"{name} {version}" for name, version in results.get("versions", {}).items()))
    yield "commit", _text(results.get("git_commit"))


def _notes(results: Mapping[str, Any]) -> Iterator[str]:
    """Say what speaks against taking the numbers as they are."""
    yield from _notes_on_weights(results)
    better = "the numbers are better than they would be on new videos"
    if results.get("selection_split") == "test":
        yield f"The weights were chosen on the test split: {better}."
    if results.get("resting_split") == "test":
        yield f"Stop-and-go looked at the test split: {better}."
    if results["split"] == "validation":
        yield "Judged on the validation split, by which weights and options are chosen: no result to report."
    for task, of_task in results.get("tasks", {"": results}).items():
        evaluated, annotated = of_task["videos"]["evaluated"], of_task["videos"]["annotated"]
        if evaluated < annotated:
            of = f" of {task}" if task else ""
            yield f"Only {evaluated} of the {annotated} videos{of} were judged: not comparable with results on all."


def _notes_on_weights(results: Mapping[str, Any]) -> Iterator[str]:
    weights = results.get("ckpt_path")
    if results["stage"] == "fit":
        if weights is None or results.get("selection_split") is None:
            yield "Nothing chose the weights: those at the end of the training were judged."
    elif weights is None:
        yield "There was no checkpoint: these are the numbers of an untrained method."
    else:
        yield f"The run did not train: it judged the weights of {weights}, whatever chose these."


def _selection(results: Mapping[str, Any]) -> str:
    score = results.get("selection_score")
    shown = "" if score is None else f", {_percent(results, score)}"
    return f"{results['selection_split']} split{shown}" if results.get("selection_split") else ""


def _mean_over_tasks(results: Mapping[str, Any]) -> str:
    score = results.get("monitor", "map")
    value = results["metrics"].get(f"{'val' if results['stage'] == 'validate' else 'test'}/{score}")
    return "" if value is None else _percent(results, value)


def _percent(results: Mapping[str, Any], score: float) -> str:
    name = results.get("monitor", "map")
    return f"{'mAP' if name == 'map' else name} {100 * score:.2f} %"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _joined(*values: object) -> str:
    return ", ".join(str(value) for value in values if value is not None)


def duration(seconds: float) -> str:
    """Write a duration in its two largest units, e.g. "2 h 5 min"."""
    whole = round(seconds)
    for unit, size, below, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {below}"
    return f"{seconds:.1f} s"


def read_curves(path: Path) -> Curves:
    """Read what was logged in training from `metrics.csv`: name -> steps and numbers, thinned; {} without the file.

    Raises:
        UserError: it is damaged.
    """
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        try:
            rows = list(reader)
            names = [name for name in reader.fieldnames or () if name.split("/")[0] in CURVES]
            curves = {name: _curve([(int(row["step"]), row[name]) for row in rows if row[name]]) for name in names}
        except (ValueError, TypeError, KeyError, csv.Error) as error:
            reason = readable(f"{type(error).__name__}: {error}")
            raise UserError(f"{path}: is no table of a training ({reason}): move it away") from None
    return {name: curve for name, curve in curves.items() if len(curve[0]) > 1}


def _curve(logged: Sequence[tuple[int, str]]) -> tuple[list[int], list[float]]:
    points = [(step, float(f"{float(text):.5g}")) for step, text in logged]
    points = [(step, value) for step, value in points if math.isfinite(value)]
    every = math.ceil(len(points) / MOST_POINTS) or 1
    kept = points[::-every][::-1]  # the last one in any case
    return [step for step, _ in kept], [value for _, value in kept]
