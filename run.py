"""The one door: `python run.py experiment=ccnet_unav100` trains and tests; alone it lists the experiments."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from avel.errors import UserError
from avel.terminal import escape
from avel.training import ranks
from avel_run.building import build, build_trainer, count_videos
from avel_run.checks import check, check_sweep
from avel_run.folders import enter_folder, go_on, remove_empty, resuming, run_trial, sweeping
from avel_run.interruption import interruptible
from avel_run.mistakes import Mistakes, take_over_errors
from avel_run.outcome import closing_tables, describe, leave_results, next_steps
from avel_run.stages import run_stage, score_baselines

if TYPE_CHECKING:  # torch takes seconds to import: the list of experiments and --help do without
    from avel.training.console import Terminal

CONF = Path(__file__).resolve().parent / "conf"
MISTAKES = Mistakes(CONF)


@interruptible
def main() -> None:
    """List the experiments, or hand over to Hydra."""
    if len(sys.argv) == 1:
        list_experiments()
        return
    take_over_errors()
    with MISTAKES.told():
        if dashed := [word for word in sys.argv[1:] if word.partition("=")[0] == "--experiment"]:
            # which Hydra would take for an option of its own
            raise UserError(f"{dashed[0]}: leave the dashes out: experiment=NAME")
        if start := ranks.agree_on_start(f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"):
            os.environ["AVEL_START"] = start  # names the run folder
        job()


@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def job(cfg: DictConfig) -> float | None:
    """One run (several with -m); its value is what Hydra's sweepers maximize."""
    if sweeping():
        with MISTAKES.told():
            check_sweep(cfg)
            return run_trial(cfg, run, MISTAKES.explain)
    with MISTAKES.told(), ranks.one_voice():
        folder = enter_folder(cfg)
        try:
            return run(cfg, folder)
        finally:
            remove_empty(folder.resolve(), Path(cfg.paths.log_dir).resolve())


def run(cfg: DictConfig, folder: Path) -> float | None:
    """Do what is left to do in a folder, in which no other run works. Returns the score, None for predictions."""
    check(cfg)
    from avel.files import check_links
    from avel.training import console, folder_lock

    check_links(folder.rglob("*"))
    terminal = console.Terminal(folder / "console.log")
    with folder_lock.held(folder), console.writing_files(folder, resuming(cfg)):
        return carry_out(cfg, folder, terminal)


def carry_out(cfg: DictConfig, folder: Path, terminal: Terminal) -> float | None:
    """Build data, method and trainer; run the stage; leave the results."""
    from avel.data import workers
    from avel.training import console, dashboards, failure, files, results, tables

    started = time.monotonic()
    if (before := go_on(cfg, folder)) is not None:
        terminal.show(escape(f"Done before: {os.path.relpath(folder)}"))
        return results.score_of(before)
    data, method = build(cfg)
    videos = count_videos(cfg, data)  # looks at the files: before anything is written
    trainer = build_trainer(cfg)
    terminal.keep()
    failure.forget_failure(folder)
    files.write_text(folder / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    terminal.show(tables.headline(HydraConfig.get().runtime.choices, method, videos))

    baselines = score_baselines(cfg, method, data)
    closed = dashboards.closed_by_failures(trainer.loggers, tell=lambda left: terminal.show(escape(left)))
    noted = failure.noted(folder, MISTAKES.explain)
    with closed, console.stoppable(trainer, folder, resuming(cfg)), noted, workers.told():
        weights = run_stage(cfg, trainer, method, data)
    document = describe(cfg, trainer, method, data, weights, baselines)
    if trainer.is_global_zero:
        leave_results(cfg, folder, document, method, data, started)
        shown = closing_tables(document, method, data, baselines)
        left = dashboards.close_with_report(trainer.loggers, folder, weights)
        terminal.show(*shown, *next_steps(cfg, folder, weights), *map(escape, left))
    return results.score_of(document)


def list_experiments() -> None:
    """Print the experiments, one line each."""
    table = Table("experiment", "what it is", box=None, header_style="bold")
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        table.add_row(escape(path.stem), escape(OmegaConf.load(path).description))
    console = Console(highlight=False)
    console.print(table)
    console.print("\nRun one: python run.py experiment=NAME    All options: python run.py --help")


if __name__ == "__main__":
    main()
