"""The one door: `python run.py experiment=ccnet_unav100` trains and tests; alone it lists the experiments."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from avel.errors import UserError

if TYPE_CHECKING:  # torch takes seconds to import: the list of experiments and --help do without
    from lightning import Trainer

CONF = Path(__file__).parent / "conf"
STAGES = ("fit", "validate", "test", "predict")
MAX_SEED = 2**32 - 1
Baselines = dict[str, dict[str, dict[str, float]]]  # task -> name of the baseline -> name of the score -> number
log = logging.getLogger("avel.run")
TRACE = "(HYDRA_FULL_ERROR=1 shows where this arose)"
DEBUG = os.environ.get("HYDRA_FULL_ERROR") == "1"


def main() -> None:
    """List the experiments, or hand over to Hydra."""
    if len(sys.argv) == 1:
        list_experiments()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises, `clear_errors` prints
    with clear_errors():
        job()


@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def job(cfg: DictConfig) -> float | None:
    """One run (several with -m); its value is what Hydra's sweepers optimize."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    with clear_errors():
        try:
            return run(cfg, folder)
        finally:
            remove_empty(folder.resolve(), Path(cfg.paths.log_dir).resolve())


def run(cfg: DictConfig, folder: Path) -> float | None:
    """Build data, method and trainer; run the stage; leave the results. Returns the score, None for predictions."""
    check(cfg)
    from avel.training import console, files, results, run_folder, tables

    started = time.monotonic()
    terminal = console.Terminal(folder / "console.log")
    data, method = build(cfg)
    videos = count_videos(cfg, data)  # looks at the files: before anything is written
    trainer = build_trainer(cfg)
    files.write_text(folder / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    terminal.show(tables.headline(HydraConfig.get().runtime.choices, method, videos))

    baselines = score_baselines(cfg, method, data)
    weights = run_stage(cfg, trainer, method, data)
    if trainer.is_global_zero:
        document = describe(cfg, method, data, weights, baselines)
        results.warn_of_subset(document.get("tasks", {"": document}), document["split"])
        files.write_json(folder / "results.json", document | run_folder.footprint(method, started))
        run_folder.write_predictions(folder, document["split"], method.tables)
        names = {task: part.class_names for task, part in data.by_task().items()}
        systems = {task: {document["method"]: found} | baselines.get(task, {}) for task, found in method.scores.items()}
        shown = tables.closing(systems, method.ap, names, document["split"])
        terminal.show(*shown, *next_steps(cfg, folder, weights))
    return method.results.get(f"{'val' if cfg.stage == 'validate' else 'test'}/{method.monitor}")


def check(cfg: DictConfig) -> None:
    """Raise a UserError for what Hydra cannot see."""
    if HydraConfig.get().runtime.choices["experiment"] is None:
        raise UserError("choose an experiment, e.g. experiment=ccnet_unav100; `python run.py` lists them")
    if cfg.stage not in STAGES:
        raise UserError(f"stage={cfg.stage}: unknown.{closest(str(cfg.stage), STAGES)} Available: {', '.join(STAGES)}")
    if type(cfg.seed) is not int or not 0 <= cfg.seed <= MAX_SEED:
        raise UserError(f"seed={cfg.seed}: give a whole number from 0 to {MAX_SEED}")
    epochs, steps = cfg.trainer.max_epochs, cfg.trainer.get("max_steps", -1)
    if not (type(epochs) is int and epochs > 0) and not (epochs is None and steps > 0):
        raise UserError(f"trainer.max_epochs={epochs}: give a whole number from 1 on, or null and +trainer.max_steps=N")
    check_choices(cfg)
    if cfg.ckpt_path:
        from avel.training.checkpointing import check_checkpoint

        epoch = check_checkpoint(Path(cfg.ckpt_path))
        if cfg.stage == "fit" and epochs is not None and epoch > epochs:
            raise UserError(f"ckpt_path={cfg.ckpt_path}: is of epoch {epoch}, beyond trainer.max_epochs={epochs}")


def check_choices(cfg: DictConfig) -> None:
    """Raise a UserError for options of groups that do not go together."""
    joint = cfg.data._target_.endswith(".MultitaskDataModule")
    if "sets" in cfg.data and not joint:
        raise UserError("tasks=[…] is for joint training: choose experiment=uniav_multitask, or leave tasks out")
    if joint and "tasks" not in signature(get_class(cfg.method._target_)).parameters:
        raise UserError("data=multitask: this method has one task; choose experiment=uniav_multitask")
    taught, learns = (part.get("supervision", "full") for part in (cfg.data, cfg.method))
    if taught == "weak" and learns != "weak":
        raise UserError(
            "data.supervision=weak, but this method learns from the class of every second: choose an experiment that"
            " ends in _weak, or data.supervision=full"
        )


def build(cfg: DictConfig) -> tuple[Any, Any]:
    """Build the data and, from their facts and the seed, the method."""
    import torch
    from lightning import seed_everything

    torch.set_float32_matmul_precision(cfg.matmul_precision)
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = instantiate(cfg.data, _convert_="all")
    fill_in(cfg.data, asdict(data.facts()))
    for task in cfg.data.get("sets", ()):  # what was given on to all sets
        cfg.data.sets[task].update({name: getattr(data, name) for name in ("selection_split", "predict_split")})
    method = instantiate(cfg.method, _convert_="all")
    if not all(isinstance(part.facts(), method.facts) for part in data.by_task().values()):
        choices = HydraConfig.get().runtime.choices
        raise UserError(
            f"method={choices['method']} cannot work on data={choices['data']}: one knows a class for every second of"
            " short videos, the other events in long ones"
        )
    method.check_tasks(data.by_task())
    if cfg.ckpt_path:
        from avel.tasks.loading import check_same_features

        check_same_features(cfg.ckpt_path, data.by_task())
    else:
        method.check_complete()
    return data, method


def fill_in(options: DictConfig, facts: dict[str, Any]) -> None:
    """Put facts in the place of nulls, also in the sections of several data sets."""
    for key in options.keys() & facts.keys():
        if options[key] is None:
            options[key] = facts[key]
        elif isinstance(options[key], DictConfig):
            fill_in(options[key], facts[key])


def build_trainer(cfg: DictConfig) -> Trainer:
    """Build the trainer with its callbacks and loggers."""
    from lightning.pytorch.callbacks import Checkpoint

    from avel.training.run_folder import RunFolder

    callbacks = [instantiate(callback) for callback in cfg.callbacks.values() if callback]
    loggers = [instantiate(logger) for logger in cfg.logger.values() if logger]
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    trainer = instantiate(
        cfg.trainer,
        callbacks=[*callbacks, RunFolder(config)],
        logger=loggers,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),  # no others by default
    )
    if trainer.world_size > 1 and HydraConfig.get().mode == RunMode.MULTIRUN:
        # every further process repeats the command: each would run the whole sweep
        raise UserError("-m with several devices: runs of a sweep have one process each; start them one by one")
    return trainer


def count_videos(cfg: DictConfig, data: Any) -> dict[str, dict[str, int]]:
    """Count videos by task and split: the usable ones where the stage needs the split, else the annotated ones."""
    from avel.data.multitask import naming_options_of

    needed = ("train", data.selection_split, "test") if cfg.stage == "fit" else (judged_split(cfg, data),)
    videos = {}
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
    from avel.training import checkpointing, console

    if cfg.stage != "fit" and not cfg.ckpt_path:
        log.warning("No ckpt_path: these are the numbers of an untrained method")
    if cfg.ckpt_path:
        warn_of_other_options(cfg.ckpt_path, method)
    with checkpointing.sizes_must_fit(cfg.ckpt_path):
        if cfg.stage == "fit":
            with console.stoppable(trainer, Path(cfg.paths.run_dir)):
                trainer.fit(method, data, ckpt_path=cfg.ckpt_path)
            best = checkpointing.best_checkpoint(Path(cfg.paths.run_dir))
            if selection_split(cfg, data, best) == "test":
                log.warning("The checkpoint was chosen on the test split, as the released code does: too good a result")
            if resting_split(cfg, data) == "test":
                log.warning("Stop-and-go looked at the test split, as the released code does: too good a result")
            if best is None:
                log.warning("No checkpoint was kept: the weights at the end of the training are tested")
            elif Path(best).name != "best.ckpt":
                log.warning("Nothing was validated: the weights at the end of the training are tested")
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


def describe(cfg: DictConfig, method: Any, data: Any, weights: str | None, baselines: Baselines) -> dict[str, Any]:
    """Say what was run and what came out; what is a matter of the data set, task by task if they have names."""
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
        "selection_split": selection_split(cfg, data, weights),
        "resting_split": resting_split(cfg, data),
        "seed": cfg.seed,
        "metrics": method.results | flat_baselines(baselines),
        "ckpt_path": weights,
        "baselines": baselines.get("", baselines),
    }


def next_steps(cfg: DictConfig, folder: Path, weights: str | None) -> Iterator[str]:
    """Say, in rich's markup, where the files are and how to go on."""
    yield escape(f"\nRun folder: {os.path.relpath(folder)}")
    if cfg.stage != "fit":
        return
    dropped = ("ckpt_path=", "stage=", "untrained=")
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


def remove_empty(folder: Path, log_dir: Path) -> None:
    """Remove a run folder without files, and its experiment's folder in `log_dir` if that was the last one."""
    with suppress(OSError):  # not empty
        folder.rmdir()
        if folder.parent.parent == log_dir:
            folder.parent.rmdir()


@contextmanager
def clear_errors() -> Iterator[None]:
    """Report what a user can mend as one message, with exit code 2; HYDRA_FULL_ERROR=1 shows where it arose."""
    try:
        yield
    except (UserError, HydraException, OmegaConfBaseException, OSError) as error:
        if DEBUG:
            raise
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"[bold red]error:[/] {escape(explain(error))}")
        sys.exit(2)


def explain(error: BaseException) -> str:
    """Say what is wrong, with the closest valid names."""
    message = str(error).partition("\nConfig search path")[0]
    if isinstance(error, UserError):
        return message
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        options = sorted(path.stem for path in (CONF / group).glob("*.yaml"))  # Hydra is silent on groups with lists
        return f"{group}={name}: unknown.{closest(name, options)} Available: {', '.join(options)}"
    if isinstance(error, OSError):
        return f"{error.filename or error}: {error.strerror or type(error).__name__}\n{TRACE}"
    if unknown := re.search(r"Could not override '([^']+)'", message):
        hint = closest(unknown[1], valid_keys())
        return f"{unknown[1]}: there is no such key.{hint} All keys: add `--cfg job` to the command"
    if cause := error.__cause__:
        where = re.search(r"full_key: (\S+)", message)
        key = f"{where[1]}: " if where else ""
        if isinstance(cause, UserError):
            return str(cause).replace("method.tasks.NAME", key.removesuffix(": "))
        if isinstance(cause, ModuleNotFoundError):
            return f"{key}{cause}\nInstall the optional packages: pip install -e '.[wandb,tensorboard]'"
        return f"{key}{cause}\n{TRACE}"
    return message


def closest(name: str, candidates: Iterable[str]) -> str:
    """Ask whether a similar name was meant."""
    matches = get_close_matches(name, set(candidates), n=3)
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


def valid_keys() -> list[str]:
    """Groups, and all keys of the configuration that the command line chooses."""
    others = (CONF, CONF / "encoder")  # the latter belongs to scripts/extract_features.py
    groups = [path.relative_to(CONF).as_posix() for path in CONF.rglob("*/") if path not in others]
    chosen = [word.partition(",")[0] for word in sys.argv[1:] if word.partition("=")[0] in groups]
    with hydra.initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        try:
            config = hydra.compose("config", overrides=chosen)
        except HydraException:  # more than one mistake
            config = hydra.compose("config")
    return [*groups, *flat(OmegaConf.to_container(config))]


def flat(tree: Any, prefix: str = "") -> Iterator[str]:
    """Give the dotted keys of nested dictionaries."""
    for key, value in tree.items():
        if not key.startswith("_"):
            yield prefix + key
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")


if __name__ == "__main__":
    main()
