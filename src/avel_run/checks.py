"""What Hydra cannot see: values that are no values, and options of groups that do not go together."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_class
from omegaconf import DictConfig

from avel.errors import UserError
from avel_run.mistakes import closest

STAGES = ("fit", "validate", "test", "predict")
RESUME = ("auto", "restart")
MAX_SEED = 2**32 - 1


def check_command() -> None:
    """Raise a UserError unless there is an experiment, and we are to run it."""
    choices = HydraConfig.get().runtime.choices
    if choices["experiment"] is None:
        raise UserError("choose an experiment, e.g. experiment=ccnet_unav100; `python run.py` lists them")
    if choices.get("sweep") == "wandb":
        raise UserError("sweep=wandb: W&B starts these runs itself: `wandb sweep conf/sweep/wandb.yaml`, then an agent")


def check(cfg: DictConfig) -> None:
    """Raise a UserError for what Hydra cannot see."""
    check_command()
    if cfg.stage not in STAGES:
        raise UserError(f"stage={cfg.stage}: unknown.{closest(str(cfg.stage), STAGES)} Available: {', '.join(STAGES)}")
    if cfg.resume is not None and cfg.resume not in RESUME:
        raise UserError(f"resume={cfg.resume}: give {' or '.join(RESUME)}, or null for a new folder every time")
    if type(cfg.seed) is not int or not 0 <= cfg.seed <= MAX_SEED:
        raise UserError(f"seed={cfg.seed}: give a whole number from 0 to {MAX_SEED}")
    epochs, steps = cfg.trainer.max_epochs, cfg.trainer.get("max_steps", -1)
    if not (type(epochs) is int and epochs > 0) and not (epochs is None and steps > 0):
        raise UserError(f"trainer.max_epochs={epochs}: give a whole number from 1 on, or null and +trainer.max_steps=N")
    if cfg.report and cfg.report.videos and not Path(cfg.report.videos).is_dir():
        raise UserError(f"report.videos={cfg.report.videos}: there is no such folder")
    check_choices(cfg)
    if cfg.ckpt_path:
        from avel.tasks.loading import check_weights

        epoch = check_weights(Path(cfg.ckpt_path), resumes=cfg.stage == "fit")
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


def check_sweep(cfg: DictConfig) -> None:
    """Raise a UserError for what all trials of a sweep would fail for.

    A search needs a score to maximize: of a training, that of validation alone counts.
    """
    check_command()
    if "search_space" not in HydraConfig.get().sweeper or cfg.stage != "fit":
        return
    validated = cfg.protocol.monitor != "epoch" and cfg.protocol.selection_split != "test"
    if not (validated and cfg.callbacks.get("best")):
        raise UserError(
            "a search maximizes the validation score that chooses the weights, and here none does: take protocol=clean,"
            " and leave callbacks.best as it is"
        )
