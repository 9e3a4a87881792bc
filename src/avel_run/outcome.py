"""What a run says in the end: the description in results.json, the page to look at, and how to go on."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.table import Table

from avel.terminal import escape
from avel_run.splits import judged_split, resting_split, selection_split
from avel_run.stages import Baselines

if TYPE_CHECKING:
    from lightning import Trainer

log = logging.getLogger("avel.run")


def describe(
    cfg: DictConfig, trainer: Trainer, method: Any, data: Any, weights: str | None, baselines: Baselines
) -> dict[str, Any]:
    """Say what was run and what came out; what is a matter of the data set, task by task if they have names."""
    from avel.training.checkpointing import best_score
    from avel.training.results import describe_data, flat_baselines

    choices, split = HydraConfig.get().runtime.choices, judged_split(cfg, data)
    sets = {}
    for task, table in method.tables.items():
        options = cfg.data.sets[task] if task else cfg.data
        sets[task] = describe_data(data.by_task()[task], options, split, len(table.videos))
    return {name: choices[name] for name in ("experiment", "method", "data", "size", "protocol")} | {
        **sets.get("", {"tasks": sets}),
        "supervision": cfg.method.get("supervision"),
        "stage": cfg.stage,
        "split": split,
        "monitor": method.monitor,
        "selection_split": selection_split(cfg, data, weights),
        "selection_score": best_score(trainer) if selection_split(cfg, data, weights) else None,
        "resting_split": resting_split(cfg, data),
        "seed": cfg.seed,
        "overrides": list(HydraConfig.get().overrides.task),
        "metrics": method.results | flat_baselines(baselines),
        "ckpt_path": weights,
        "baselines": baselines.get("", baselines),
    }


def leave_results(
    cfg: DictConfig, folder: Path, document: dict[str, Any], method: Any, data: Any, started: float
) -> None:
    """Write predictions, page and `results.json`.

    Args:
        cfg: the configuration.
        folder: the run folder.
        document: what `describe` says; memory, time and so on are added.
        method: after the stage.
        data: what it worked on.
        started: when the run began, by `time.monotonic`.
    """
    from avel.training import files, results, run_folder

    results.warn_of_subset(document.get("tasks", {"": document}), document["split"])
    run_folder.write_predictions(folder, document["split"], method.tables)
    document |= run_folder.footprint(method, started)
    write_report(cfg, folder, document, method, data)
    files.write_json(folder / "results.json", document)  # the last file: what has it is done


def write_report(cfg: DictConfig, folder: Path, document: dict[str, Any], method: Any, data: Any) -> None:
    """Write the page to look at, if there are results; a run does not fail because that fails."""
    if not cfg.report or cfg.stage == "predict":
        return
    from avel.tasks.run_report import REPORT, JudgedRun, write_run_report

    videos = Path(cfg.report.videos) if cfg.report.videos else None
    try:
        write_run_report(folder / REPORT, [JudgedRun(folder, document, method.tables)], data, videos=videos)
    except Exception as error:  # whatever it is: the results are there
        path = shlex.quote(os.path.relpath(folder))
        log.warning("No %s: %s: %s. Try again: python scripts/report.py %s", REPORT, type(error).__name__, error, path)


def closing_tables(document: dict[str, Any], method: Any, data: Any, baselines: Baselines) -> list[Table]:
    """Show the scores beside those of the baselines, and the best and worst classes."""
    from avel.training import tables

    names = {task: part.class_names for task, part in data.by_task().items()}
    systems = {task: {document["method"]: found} | baselines.get(task, {}) for task, found in method.scores.items()}
    return tables.closing(systems, method.ap, names, document["split"])


def next_steps(cfg: DictConfig, folder: Path, weights: str | None) -> Iterator[str]:
    """Say, in rich's markup, where the files are and how to go on."""
    yield escape(f"\nRun folder: {os.path.relpath(folder)}")
    if (page := folder / "report.html").is_file():
        yield escape(f"Report:     {os.path.relpath(page)}")
    if cfg.stage != "fit":
        return
    dropped = ("ckpt_path=", "stage=", "untrained=", "resume=")
    kept = [override for override in HydraConfig.get().overrides.task if not override.startswith(dropped)]
    if weights:
        predict = shlex.join([*kept, "stage=predict", f"ckpt_path={os.path.relpath(weights)}"])
        yield escape(f"Predict:    python run.py {predict}")
    seeds = shlex.join([*(override for override in kept if not override.startswith("seed=")), "seed=1,2,3"])
    yield escape(f"More seeds: python run.py -m {seeds}")
