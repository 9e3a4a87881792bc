"""Which folder a run works in, what is left to do there, and how a sweep keeps its books on its trials."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from rich.console import Console

from avel.run_names import run_name
from avel.terminal import escape
from avel_run.checks import check_command
from avel_run.mistakes import error_line
from avel_run.stored_config import read_config

STARTED_AGAIN = ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT")
"""Variables that say how often Slurm and torchrun have started this run again."""

log = logging.getLogger("avel.run")


def sweeping() -> bool:
    """Whether this run is one of several with -m."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def enter_folder(cfg: DictConfig) -> Path:
    """Choose the run folder: in sweeps, and where `resume` is given, the one that the overrides name."""
    chosen: Any = HydraConfig.get()
    folder = Path(chosen.runtime.output_dir)
    given = any(override.startswith("hydra.run.dir=") for override in chosen.overrides.hydra)
    if not sweeping() and (given or not cfg.resume):
        return folder
    log_dir = Path(cfg.paths.log_dir).resolve()
    if not sweeping():
        remove_empty(folder, log_dir)  # Hydra's, named by the time
    check_command()
    named = log_dir / str(chosen.runtime.choices["experiment"])
    named /= run_name(chosen.overrides.task, leave_out=("experiment",))
    named.mkdir(parents=True, exist_ok=True)
    with read_write(chosen), open_dict(chosen):
        chosen.runtime.output_dir = chosen.run.dir = str(named)  # further processes of this run get the latter
    return named


def remove_empty(folder: Path, log_dir: Path) -> None:
    """Remove a run folder without files, and its experiment's folder in `log_dir` if that was the last one."""
    with suppress(OSError):  # not empty
        folder.rmdir()
        if folder.parent.parent == log_dir:
            folder.parent.rmdir()


def resuming(cfg: DictConfig) -> str | None:
    """How a run treats what its folder holds: None where every run has a new one."""
    return cfg.resume or ("auto" if sweeping() else None)


def begins_anew(cfg: DictConfig) -> bool:
    """Whether a run is to repeat what its folder holds; one that Slurm or torchrun has started again did so before."""
    return cfg.resume == "restart" and not any(int(os.environ.get(name, 0)) for name in STARTED_AGAIN)


def go_on(cfg: DictConfig, folder: Path) -> dict[str, Any] | None:
    """Go on from what a folder that the overrides name already holds; returns its results if nothing is left to do."""
    if resuming(cfg) is None:
        return None
    from avel.training.run_state import run_state

    config: Any = OmegaConf.to_container(cfg, resolve=True)
    anew = begins_anew(cfg)
    state = run_state(folder, {} if anew else read_config(folder), config, restart=anew)
    if state.checkpoint:
        cfg.ckpt_path = str(state.checkpoint)
        log.info("Going on from %s", os.path.relpath(state.checkpoint))
    return state.results


def run_trial(
    cfg: DictConfig, run: Callable[[DictConfig, Path], float | None], explain: Callable[[BaseException], str]
) -> float | None:
    """Run one trial of a sweep: what makes it fail is noted, and does not concern the others.

    Args:
        cfg: its configuration.
        run: does it in a folder, and returns its score.
        explain: says for people why it failed.

    Returns:
        The score; None where there is none or it failed.
    """
    from avel.training import failure, folder_lock, run_state, sweep

    chosen, folder = HydraConfig.get(), enter_folder(cfg)
    books = Path(chosen.sweep.dir)
    note = sweep.Trial(chosen.job.num, str(folder), tuple(chosen.overrides.task))
    done = not begins_anew(cfg) and run_state.read_results(folder) is not None
    sweep.write_trial(books, note)
    Console(highlight=False, soft_wrap=True).print(f"\n[bold]Trial {note.number}[/]: {escape(os.path.relpath(folder))}")
    try:
        score = run(cfg, folder)
    except Exception as error:  # whatever it is: the other trials go on
        note = replace(note, status="failed", message=explain(error))
        with suppress(OSError):  # the disk may be what is wrong
            if not done and not isinstance(error, folder_lock.FolderInUse):  # whose folder it is
                failure.write_failure(folder, error, note.message)
            sweep.write_trial(books, note)
        why = "; ".join(line.strip() for line in note.message.splitlines())
        error_line(f"trial {note.number} failed: {why} ({os.path.relpath(folder)})")
        return None
    sweep.write_trial(books, replace(note, status="skipped" if done else "done"))
    return score
