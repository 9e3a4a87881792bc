"""What a run says of itself in words and tables: what runs, how well it did, and on which classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lightning.pytorch import LightningModule
from rich.table import Table
from torch import Tensor

from avel.terminal import escape
from avel.training.results import Scores, mean_defined

SCORES = {
    "accuracy": "accuracy",
    "accuracy_partial": "accuracy, partial events",
    "event_background": "event or background",
    "event_f1": "event F1",
    "pointing": "attention on the source",
    "a2v": "from sound to picture",
    "v2a": "from picture to sound",
    "matching": "mean of both",
}
"""Scores of the tasks that are not judged by mAP alone, and what a table calls them."""


def headline(choices: Mapping[str, str], method: LightningModule, videos: Mapping[str, Mapping[str, int]]) -> str:
    """Say what runs, in rich's markup: in one line, and a further one for each of several tasks.

    Args:
        choices: chosen option of each group of the configuration.
        method: the module.
        videos: task -> split -> number of videos.
    """
    choices = {group: escape(str(option)) for group, option in choices.items()}
    names = [escape(task) or choices["data"] for task in videos]
    parameters = sum(parameter.numel() for parameter in method.parameters())
    splits = [", ".join(f"{count} {split}" for split, count in of_task.items()) for of_task in videos.values()]
    what = f"[bold]{choices['method']}[/] ({choices['size']} size, {choices['protocol']} protocol)"
    line = f"{what} on {', '.join(names)}: {parameters / 1e6:.2f} M parameters"
    if len(names) == 1:
        return f"{line}; videos: {splits[0]}"
    return "\n".join([line, *(f"  {name}: {counts} videos" for name, counts in zip(names, splits, strict=True))])


def closing(
    systems: Mapping[str, Mapping[str, Scores]],
    ap: Mapping[str, Tensor],
    class_names: Mapping[str, Sequence[str]],
    split: str,
) -> list[Table]:
    """Tabulate what `results.json` says; nothing where nothing was judged.

    Args:
        systems: task -> name of the method, then of its baselines -> name of the score -> value in [0, 1].
        ap: task -> (C, T) average precision per class and tIoU; NaN for classes without events.
        class_names: task -> C names.
        split: what was judged.
    """
    several = len(systems) > 1
    judged = [task_table(systems, split)] if several else [score_table(only, split) for only in systems.values()]
    names = {task: task if several else "" for task in systems if len(ap[task])}
    return [*judged, *(class_table(ap[task], class_names[task], name) for task, name in names.items())]


def score_table(columns: Mapping[str, Scores], split: str) -> Table:
    """Tabulate what a task is judged by, one column per system: mAP per tIoU, or the scores that `SCORES` names.

    Args:
        columns: name of the system -> `map`, `map@0.10`, `accuracy` … -> value in [0, 1].
        split: what was judged.
    """
    first = next(iter(columns.values()))
    rows = {name: label for name, label in SCORES.items() if name in first}
    head, mean = ("", "mAP, mean over tIoU") if rows else ("tIoU", "average")
    title = f"{'scores' if rows else 'mAP'} (%), {split} split"
    rows = rows or {name: name.removeprefix("map@") for name in first if name.startswith("map@")}
    table = Table(head, *map(escape, columns), title=title, title_justify="left", min_width=len(title))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, label in rows.items():
        table.add_row(label, *(percent(scores.get(name)) for scores in columns.values()))
    if "map" in first:
        table.add_section()
        table.add_row(mean, *(percent(scores.get("map")) for scores in columns.values()), style="bold")
    return table


def task_table(systems: Mapping[str, Mapping[str, Scores]], split: str) -> Table:
    """Tabulate the mAP of several tasks, one column per task and one for their mean: per tIoU, then of each system.

    Args:
        systems: task -> name of the method, then of its baselines -> `map`, `map@0.10` … -> value in [0, 1].
        split: what was judged.
    """
    table = Table("tIoU", *map(escape, systems), "mean", title=f"mAP (%), {split} split", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    found = [next(iter(of_task.values())) for of_task in systems.values()]
    for name in sorted({name for scores in found for name in scores if name.startswith("map@")}):
        table.add_row(name.removeprefix("map@"), *(percent(scores.get(name)) for scores in found))
    table.add_section()
    names = dict.fromkeys(name for of_task in systems.values() for name in of_task)
    for place, name in enumerate(names):
        scores = [of_task.get(name, {}) for of_task in systems.values()]
        values = [*(of_task.get("map") for of_task in scores), mean_defined(scores, "map")]
        label, style = (escape(name), None) if place else ("average", "bold")
        table.add_row(label, *map(percent, values), style=style, end_section=not place)
    return table


def class_table(ap: Tensor, class_names: Sequence[str], task: str = "", count: int = 5) -> Table:
    """Tabulate the classes with the highest and the lowest average precision.

    Args:
        ap: (C, T) average precision per class and tIoU; NaN for classes without events.
        class_names: C names.
        task: name of the task among several.
        count: classes at either end.
    """
    mean = {name: float(value) for name, value in zip(class_names, ap.mean(dim=1), strict=True) if value == value}
    ranked = sorted(mean, key=lambda name: -mean[name])
    count = min(count, (len(ranked) + 1) // 2)
    title = f"{escape(task)}: AP, mean over tIoU" if task else "AP, mean over tIoU"
    table = Table("best classes", "AP", "worst classes", "AP", title=title, title_justify="left")
    for best, worst in zip(ranked[:count], ranked[::-1][:count], strict=True):
        table.add_row(escape(best), percent(mean[best]), escape(worst), percent(mean[worst]))
    return table


def percent(value: float | None) -> str:
    """Format a share of 1 as percent, with two decimals as in the papers; nothing for None and NaN."""
    return "" if value is None or value != value else f"{100 * value:.2f}"
