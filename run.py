"""The one door: `python run.py experiment=ccnet_unav100` trains and tests; alone it lists the experiments."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from avel.errors import UserError, check_flag
from avel.terminal import escape
from avel.training import ranks
from avel_run.arguments import check_arguments
from avel_run.checks import check, check_facts, check_sweep, check_words
from avel_run.folders import enter_folder, go_on, remove_empty, resuming, run_trial, sweeping
from avel_run.mistakes import Mistakes, take_over_errors

if TYPE_CHECKING:  # torch takes seconds to import: the list of experiments and --help do without
    from lightning import Trainer

    from avel.training.console import Terminal

CONF = Path(__file__).resolve().parent / "conf"
MISTAKES = Mistakes(CONF)
Baselines = dict[str, dict[str, dict[str, float]]]  # task -> name of the baseline -> name of the score -> number
log = logging.getLogger("avel.run")


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
    from avel.training import console, dashboards, failure, files, results, run_folder, tables

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
        results.warn_of_subset(document.get("tasks", {"": document}), document["split"])
        run_folder.write_predictions(folder, document["split"], method.tables)
        document |= run_folder.footprint(method, started)
        write_report(cfg, folder, document, method, data)
        # the last file: what has it is done
        files.write_json(folder / "results.json", document)
        names = {task: part.class_names for task, part in data.by_task().items()}
        systems = {task: {document["method"]: found} | baselines.get(task, {}) for task, found in method.scores.items()}
        shown = tables.closing(systems, method.ap, names, document["split"])
        left = dashboards.close_with_report(trainer.loggers, folder, weights)
        terminal.show(*shown, *next_steps(cfg, folder, weights), *map(escape, left))
    return results.score_of(document)


def build(cfg: DictConfig) -> tuple[Any, Any]:
    """Build the data and, from their facts and the seed, the method."""
    import torch
    from lightning import seed_everything

    torch.set_float32_matmul_precision(cfg.matmul_precision)
    seed_everything(cfg.seed, workers=True, verbose=False)
    check_arguments("data", plain(cfg.data))
    data = instantiate(cfg.data, _convert_="all")
    check_data(cfg, data)
    fill_in(cfg.data, asdict(data.facts()))
    for task in cfg.data.get("sets", ()):  # what was given on to all sets
        cfg.data.sets[task].update({name: getattr(data, name) for name in ("selection_split", "predict_split")})
    check_facts(cfg)
    method = build_method(cfg)
    if not all(isinstance(part.facts(), method.facts) for part in data.by_task().values()):
        choices = HydraConfig.get().runtime.choices
        raise UserError(
            f"method={choices['method']} cannot work on data={choices['data']}: one knows a class for every second of"
            " short videos, the other events in long ones"
        )
    method.check_tasks(data.by_task())
    if cfg.ckpt_path:
        from avel.tasks.loading import check_same_classes, check_same_features

        check_same_features(cfg.ckpt_path, data.by_task())
        if method.classes_by_order:
            check_same_classes(cfg.ckpt_path, data.by_task())
    else:
        method.check_complete()
    return data, method


def check_data(cfg: DictConfig, data: Any) -> None:
    """Look through the data before anything is built on them: what would fail later is refused now."""
    from avel.data.inspection.start import check_at_start

    about = ("experiment=", "data", "tasks=", "paths.", "protocol", "size=")
    overrides = [override for override in HydraConfig.get().overrides.task if override.startswith(about)]
    command = shlex.join(["python", "scripts/check_dataset.py", *overrides])
    for odd in check_at_start(data.by_task(), needed_splits(cfg, data), cfg.check_data, command):
        log.warning("%s", odd)


def needed_splits(cfg: DictConfig, data: Any) -> tuple[str, ...]:
    """Splits whose videos the stage needs."""
    return ("train", data.selection_split, "test") if cfg.stage == "fit" else (judged_split(cfg, data),)


def build_method(cfg: DictConfig) -> Any:
    """Build the method; what says how it is run is not for its constructor."""
    options = plain(cfg.method)
    compiled, recomputed = options.pop("compile", None), options.pop("checkpoint_activations", None)
    check_flag("method.compile", compiled)
    check_flag("method.checkpoint_activations", recomputed)
    check_arguments("method", options)
    method = instantiate(OmegaConf.create({"method": options}).method, _convert_="all")
    if recomputed:
        from avel.training.recomputing import recompute_activations

        recompute_activations(method)
    return method


def plain(options: DictConfig) -> dict[str, Any]:
    """Return options as plain values, without interpolations."""
    container: Any = OmegaConf.to_container(options, resolve=True)
    return container


def fill_in(options: DictConfig, facts: dict[str, Any]) -> None:
    """Put facts in the place of nulls, also in the sections of several data sets."""
    for key in options.keys() & facts.keys():
        if options[key] is None:
            check_words(key, facts[key])
            options[key] = facts[key]
        elif isinstance(options[key], DictConfig):
            fill_in(options[key], facts[key])


def build_trainer(cfg: DictConfig) -> Trainer:
    """Build the trainer with its callbacks and loggers."""
    from lightning.pytorch.callbacks import Checkpoint

    from avel.training.compiling import CompiledTraining
    from avel.training.dashboards import RunOnDashboards
    from avel.training.precision import check_precision
    from avel.training.run_folder import RunFolder, code

    check_precision(cfg.trainer.precision, cfg.trainer.accelerator)
    for key in ("trainer", "callbacks", "logger"):
        check_arguments(key, plain(cfg[key]))
    callbacks = [instantiate(callback) for callback in cfg.callbacks.values() if callback]
    callbacks += [CompiledTraining()] if cfg.method.compile else []
    loggers = [instantiate(logger) for logger in cfg.logger.values() if logger]
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    trainer = instantiate(
        cfg.trainer,
        callbacks=[*callbacks, RunFolder(config), RunOnDashboards(config | code())],
        logger=loggers,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),  # no others by default
    )
    ranks.check_launch(trainer.world_size)
    if sweeping() and trainer.world_size > 1 and not ranks.by_slurm():
        # every further process repeats the command: each would run the whole sweep
        raise UserError(
            "-m with several devices: give every trial a Slurm job, launcher=submitit"
            f" hydra.launcher.tasks_per_node={trainer.world_size}, or start them one by one:"
            f" torchrun --nproc-per-node={trainer.world_size} run.py … resume=auto"
        )
    return trainer


def count_videos(cfg: DictConfig, data: Any) -> dict[str, dict[str, int]]:
    """Count videos by task and split: the usable ones where the stage needs the split, else the annotated ones."""
    from avel.data.option_names import naming_options_of

    needed, videos = needed_splits(cfg, data), {}
    for task, part in data.by_task().items():
        with naming_options_of(task):
            videos[task] = part.facts().videos | {split: len(part.durations(split)) for split in needed}
    return videos


def judged_split(cfg: DictConfig, data: Any) -> str:
    """Split that the results are about."""
    return {"validate": data.selection_split, "predict": data.predict_split}.get(cfg.stage, "test")


def selection_split(cfg: DictConfig, data: Any, weights: str | None) -> str | None:
    """Split by which the judged weights were chosen, None where nothing chose them."""
    chosen = cfg.stage == "fit" and weights is not None and Path(weights).name == "best.ckpt"
    return data.selection_split if chosen and cfg.protocol.monitor != "epoch" else None


def resting_split(cfg: DictConfig, data: Any) -> str | None:
    """Split whose scores decided which tasks rested during the training, None where none could."""
    return data.selection_split if cfg.stage == "fit" and cfg.callbacks.get("stop_and_go") else None


def score_baselines(cfg: DictConfig, method: Any, data: Any) -> Baselines:
    """Score what a result on the test split has to beat."""
    if cfg.stage not in ("fit", "test"):
        return {}
    baselines = {task: method.baselines(part, "test") for task, part in data.by_task().items()}
    if cfg.untrained and cfg.stage == "fit":
        quiet = {"callbacks": [], "logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
        instantiate(cfg.trainer, **quiet).test(method, data, verbose=False)
        for task, scores in method.scores.items():
            baselines[task]["untrained"] = scores
    return baselines


def run_stage(cfg: DictConfig, trainer: Trainer, method: Any, data: Any) -> str | None:
    """Run the stage; a fit is followed by the test of its best checkpoint. Returns the weights that were judged."""
    from avel.training import checkpointing

    if cfg.stage != "fit" and not cfg.ckpt_path:
        log.warning("No ckpt_path: these are the numbers of an untrained method")
    if cfg.ckpt_path:
        warn_of_other_options(cfg.ckpt_path, method)
    with checkpointing.sizes_must_fit(cfg.ckpt_path):
        if cfg.stage == "fit":
            trainer.fit(method, data, ckpt_path=cfg.ckpt_path)
            best = checkpointing.best_checkpoint(Path(cfg.paths.run_dir))
            if selection_split(cfg, data, best) == "test":
                log.warning("The checkpoint was chosen on the test split, as the released code does: too good a result")
            if resting_split(cfg, data) == "test":
                log.warning("Stop-and-go looked at the test split, as the released code does: too good a result")
            if best is None:
                log.warning("No checkpoint was kept: the weights at the end of the training are tested")
            elif Path(best).name != "best.ckpt":
                log.warning("There is no best.ckpt: the weights at the end of the training are tested")
            trainer.test(method, data, ckpt_path=best, verbose=False)
            return best
        options = {} if cfg.stage == "predict" else {"verbose": False}
        getattr(trainer, cfg.stage)(method, data, ckpt_path=cfg.ckpt_path, **options)
    return cfg.ckpt_path


def warn_of_other_options(path: str, method: Any) -> None:
    """Say which options of the network are not those that a checkpoint was trained with: its weights may fit still."""
    from avel.tasks.loading import changed_arguments

    for name, (before, now) in changed_arguments(path, method).items():
        log.warning("ckpt_path=%s: was trained with method.%s=%s, here it is %s", path, name, before, now)


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
