"""The one door: `python run.py experiment=ccnet_unav100` trains and tests; alone it lists the experiments."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.utils import instantiate
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
log = logging.getLogger("avel.run")
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
            if not any(folder.iterdir()):
                os.removedirs(folder)


def run(cfg: DictConfig, folder: Path) -> float | None:
    """Build data, method and trainer; run the stage; leave the results. Returns the mAP, None for predictions."""
    check(cfg)
    from avel.training import console, files, run_folder

    started = time.monotonic()
    terminal = console.Terminal(folder / "console.log")
    data, method = build(cfg)
    trainer = build_trainer(cfg)
    files.write_text(folder / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    terminal.show(console.headline(HydraConfig.get().runtime.choices, method, data.facts().videos))

    baselines = score_baselines(cfg, method, data)
    weights = run_stage(cfg, trainer, method, data)
    if trainer.is_global_zero:
        results = describe(cfg, method, data) | {"ckpt_path": weights, "baselines": baselines}
        files.write_json(folder / "results.json", results | run_folder.footprint(method, started))
        run_folder.write_predictions(folder, results["split"], method.predictions)
        terminal.show(*console.closing(results, method.ap, data.class_names), *next_steps(cfg, folder))
    return method.results.get("val/map" if cfg.stage == "validate" else "test/map")


def check(cfg: DictConfig) -> None:
    """Raise a UserError for what Hydra cannot see."""
    if HydraConfig.get().runtime.choices["experiment"] is None:
        raise UserError("choose an experiment, e.g. experiment=ccnet_unav100; `python run.py` lists them")
    if cfg.stage not in STAGES:
        raise UserError(f"stage={cfg.stage}: unknown.{closest(cfg.stage, STAGES)} Available: {', '.join(STAGES)}")
    if cfg.ckpt_path:
        from avel.training.checkpointing import check_checkpoint

        check_checkpoint(Path(cfg.ckpt_path))


def build(cfg: DictConfig) -> tuple[Any, Any]:
    """Build the data and, from their facts and the seed, the method."""
    import torch
    from lightning import seed_everything

    torch.set_float32_matmul_precision(cfg.matmul_precision)
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = instantiate(cfg.data, _convert_="all")
    facts = asdict(data.facts())
    cfg.data.update({key: facts[key] for key, value in cfg.data.items() if value is None and key in facts})
    return data, instantiate(cfg.method, _convert_="all")


def build_trainer(cfg: DictConfig) -> Trainer:
    """Build the trainer with its callbacks and loggers."""
    from avel.training.run_folder import RunFolder

    callbacks = [instantiate(callback) for callback in cfg.callbacks.values()]
    loggers = [instantiate(logger) for logger in cfg.logger.values()]
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    return instantiate(cfg.trainer, callbacks=[*callbacks, RunFolder(config)], logger=loggers)


def score_baselines(cfg: DictConfig, method: Any, data: Any) -> dict[str, dict[str, float]]:
    """Score what a result on the test split has to beat."""
    if cfg.stage not in ("fit", "test"):
        return {}
    from avel.tasks.baselines import dense_baselines

    scores = dense_baselines(data, "test")
    if cfg.untrained and cfg.stage == "fit":
        quiet = {"callbacks": [], "logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
        instantiate(cfg.trainer, **quiet).test(method, data, verbose=False)
        scores["untrained"] = {name.removeprefix("test/"): value for name, value in method.results.items()}
    return scores


def run_stage(cfg: DictConfig, trainer: Trainer, method: Any, data: Any) -> str | None:
    """Run the stage; a fit is followed by the test of its best checkpoint. Returns the weights that were judged."""
    from avel.training import checkpointing

    if cfg.stage != "fit" and not cfg.ckpt_path:
        log.warning("No ckpt_path: these are the numbers of an untrained method")
    with checkpointing.sizes_must_fit(cfg.ckpt_path):
        if cfg.stage == "fit":
            trainer.fit(method, data, ckpt_path=cfg.ckpt_path)
            best = checkpointing.best_checkpoint(Path(cfg.paths.run_dir))
            trainer.test(method, data, ckpt_path=best, verbose=False)
            return best
        options = {} if cfg.stage == "predict" else {"verbose": False}
        getattr(trainer, cfg.stage)(method, data, ckpt_path=cfg.ckpt_path, **options)
    return cfg.ckpt_path


def describe(cfg: DictConfig, method: Any, data: Any) -> dict[str, Any]:
    """Say what was run and what came out."""
    choices = HydraConfig.get().runtime.choices
    splits = {"validate": "validation", "predict": cfg.data.predict_split}
    return {name: choices[name] for name in ("experiment", "method", "data", "size", "protocol")} | {
        "features": cfg.data.get("features"),
        "stage": cfg.stage,
        "split": splits.get(cfg.stage, "test"),
        "selection_split": "validation" if cfg.stage == "fit" else None,
        "tiou_grid": [round(threshold, 2) for threshold in data.tiou_grid],
        "seed": cfg.seed,
        "metrics": method.results,
    }


def next_steps(cfg: DictConfig, folder: Path) -> Iterator[str]:
    """Say where the files are and how to go on."""
    place = os.path.relpath(folder)
    yield f"\nRun folder: {place}"
    if cfg.stage == "fit":
        kept = [o for o in HydraConfig.get().overrides.task if not o.startswith(("ckpt_path=", "stage=", "untrained="))]
        yield f"Predict:    python run.py {shlex.join(kept)} stage=predict ckpt_path={place}/checkpoints/best.ckpt"
        yield f"More seeds: python run.py -m {shlex.join(kept)} seed=1,2,3"


def list_experiments() -> None:
    """Print the experiments, one line each."""
    table = Table("experiment", "what it is", box=None, header_style="bold")
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        table.add_row(path.stem, OmegaConf.load(path).description)
    console = Console(highlight=False)
    console.print(table)
    console.print("\nRun one: python run.py experiment=NAME    All options: python run.py --help")


@contextmanager
def clear_errors() -> Iterator[None]:
    """Report what a user can mend as one message, with exit code 2; HYDRA_FULL_ERROR=1 shows where it arose."""
    try:
        yield
    except (UserError, HydraException, OmegaConfBaseException) as error:
        if DEBUG:
            raise
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"[bold red]error:[/] {escape(explain(error))}")
        sys.exit(2)


def explain(error: BaseException) -> str:
    """Say what is wrong, with the closest valid names."""
    message = str(error).partition("\nConfig search path")[0]
    if isinstance(error, UserError):
        return message
    if isinstance(error, MissingConfigException) and error.options:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={name}: unknown.{closest(name, error.options)} Available: {', '.join(error.options)}"
    if unknown := re.search(r"Could not override '([^']+)'", message):
        hint = closest(unknown[1], valid_keys())
        return f"{unknown[1]}: there is no such key.{hint} All keys: add `--cfg job` to the command"
    if cause := error.__cause__:
        where = re.search(r"full_key: (\S+)", message)
        key = f"{where[1]}: " if where else ""
        if isinstance(cause, UserError):
            return str(cause)
        if isinstance(cause, ModuleNotFoundError):
            return f"{key}{cause}\nInstall the optional packages: pip install -e '.[wandb,tensorboard]'"
        return f"{key}{cause}\n(HYDRA_FULL_ERROR=1 shows where this arose)"
    return message


def closest(name: str, candidates: Iterable[str]) -> str:
    """Ask whether a similar name was meant."""
    matches = get_close_matches(name, set(candidates), n=3)
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


def valid_keys() -> list[str]:
    """Groups, and all keys of the configuration that the command line chooses."""
    groups = [path.relative_to(CONF).as_posix() for path in CONF.rglob("*/") if path != CONF]
    chosen = [word for word in sys.argv[1:] if word.partition("=")[0] in groups]
    with hydra.initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        config = hydra.compose("config", overrides=chosen)
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
