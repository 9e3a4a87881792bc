"""What Hydra cannot see: values that are no values, and options of groups that do not go together."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_class
from omegaconf import DictConfig, ListConfig, OmegaConf

from avel.errors import UserError, check_choice, check_count, check_flag
from avel_run.mistakes import closest

STAGES = ("fit", "validate", "test", "predict")
RESUME = ("auto", "restart")
MAX_SEED = 2**32 - 1
PRECISIONS = ("highest", "high", "medium")
FACTS = ("num_classes", "visual_dim", "audio_dim", "positions", "max_length")
SECTIONS = ("data", "method", "protocol", "trainer", "callbacks", "logger", "paths")


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
    check_sections(cfg)
    check_values(cfg)
    check_trainer(cfg)
    check_choices(cfg)
    epochs = cfg.trainer.max_epochs
    if cfg.ckpt_path:
        from avel.tasks.loading import check_weights

        epoch = check_weights(Path(cfg.ckpt_path), resumes=cfg.stage == "fit")
        if cfg.stage == "fit" and epochs is not None and epoch > epochs:
            raise UserError(f"ckpt_path={cfg.ckpt_path}: is of epoch {epoch}, beyond trainer.max_epochs={epochs}")


def check_values(cfg: DictConfig) -> None:
    """Raise a UserError for values of keys that are in no section."""
    if cfg.stage not in STAGES:
        raise UserError(f"stage={cfg.stage}: unknown.{closest(str(cfg.stage), STAGES)} Available: {', '.join(STAGES)}")
    if cfg.resume is not None and cfg.resume not in RESUME:
        raise UserError(f"resume={cfg.resume}: give {' or '.join(RESUME)}, or null for a new folder every time")
    if type(cfg.seed) is not int or not 0 <= cfg.seed <= MAX_SEED:
        raise UserError(f"seed={cfg.seed}: give a whole number from 0 to {MAX_SEED}")
    if not isinstance(cfg.ckpt_path, str | None):
        raise UserError(f"ckpt_path={cfg.ckpt_path}: give the path of a file, or null")
    check_flag("untrained", cfg.untrained)
    check_flag("find_unused_parameters", cfg.find_unused_parameters)
    check_choice("matmul_precision", cfg.matmul_precision, PRECISIONS)
    for name, value in cfg.protocol.items():  # their places in data, method and callbacks have other names
        if isinstance(value, DictConfig | ListConfig):
            raise UserError(f"protocol.{name}={value}: give one value; conf/protocol/clean.yaml says which there are")
    check_flag("protocol.average_warmup", cfg.protocol.average_warmup)
    if cfg.protocol.rest_warmup != OmegaConf.select(cfg, "method.optimizer.warmup_epochs", default=0):
        check_count("protocol.rest_warmup", cfg.protocol.rest_warmup, 0)  # by default it is the method's, who checks it


def check_facts(cfg: DictConfig) -> None:
    """Raise a UserError where the method was told something else about the data than the data themselves say."""
    own, sets = cfg.method.get("tasks"), cfg.data.get("sets", {})
    tasks = own if isinstance(own, DictConfig) else {}  # whatever else it, or one in it, is: its type is refused
    parts = [("", cfg.data, cfg.method)]
    parts += [(f"tasks.{task}.", sets[task], tasks[task]) for task in sets if isinstance(tasks.get(task), DictConfig)]
    for section, data, method in parts:
        for name in FACTS:
            if name in data and name in method and data[name] != method[name]:
                raise UserError(
                    f"method.{section}{name}={method[name]}: the data have {data[name]}; leave it out, it is taken from"
                    " them"
                )


def check_sections(cfg: DictConfig) -> None:
    """Raise a UserError where a value stands in the place of a section."""
    for key in SECTIONS:
        if not isinstance(cfg[key], DictConfig):
            raise UserError(f"{key}={cfg[key]}: this is a section of keys; leave it out, or choose from conf/{key}")
    for key in ("data", "method", "trainer"):
        if not isinstance(cfg[key].get("_target_"), str):
            raise UserError(f"{key}._target_={cfg[key].get('_target_')}: give the name of a class")
    parts = {f"{key}.{name}": part for key in ("callbacks", "logger") for name, part in cfg[key].items()}
    for key, part in (parts | {"report": cfg.report}).items():
        if part and not isinstance(part, DictConfig):
            raise UserError(f"{key}={part}: this is a section of keys; give null to do without")
    check_folders(cfg)


def check_folders(cfg: DictConfig) -> None:
    """Raise a UserError for what is no path of a folder."""
    for name, path in cfg.paths.items():
        if not isinstance(path, str):
            raise UserError(f"paths.{name}={path}: give the path of a folder")
    videos = cfg.report.videos if cfg.report else None
    if videos and not (isinstance(videos, str) and Path(videos).is_dir()):
        raise UserError(f"report.videos={videos}: there is no such folder")


def check_trainer(cfg: DictConfig) -> None:
    """Raise a UserError for what Lightning would fail for later, or take for something else."""
    trainer = cfg.trainer
    epochs, steps = trainer.max_epochs, trainer.get("max_steps", -1)
    if not (type(epochs) is int and epochs > 0) and not (epochs is None and type(steps) is int and steps > 0):
        raise UserError(f"trainer.max_epochs={epochs}: give a whole number from 1 on, or null and +trainer.max_steps=N")
    check_count("trainer.accumulate_grad_batches", trainer.get("accumulate_grad_batches", 1))
    if trainer.get("gradient_clip_val") is not None:
        raise UserError(
            f"trainer.gradient_clip_val={trainer.gradient_clip_val}: give method.optimizer.clip_norm instead"
        )
    check_count("trainer.log_every_n_steps", trainer.log_every_n_steps, 0)
    check_count("trainer.check_val_every_n_epoch", trainer.check_val_every_n_epoch, optional=True)
    check_count("trainer.num_sanity_val_steps", trainer.num_sanity_val_steps, -1)
    if trainer.deterministic not in (None, True, False, "warn"):
        raise UserError(f"trainer.deterministic={trainer.deterministic}: give true, false or warn")
    batches, tasks = trainer.get("limit_train_batches"), len(cfg.data.get("sets") or ())
    if batches == 0 and cfg.stage == "fit":
        raise UserError(f"trainer.limit_train_batches={batches}: nothing would be trained; give 1 or more, or a share")
    if type(batches) is int and 0 < batches < tasks:
        raise UserError(
            f"trainer.limit_train_batches={batches}: tasks are trained by turns, and the last of these {tasks} would"
            f" never be; give {tasks} or more"
        )


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


def check_words(key: str, fact: object) -> None:
    """Raise a UserError for names in files of data that a configuration would take for something to be looked up."""
    for name in fact if isinstance(fact, list) else ():
        if isinstance(name, str) and ("${" in name or name == "???"):
            raise UserError(f"data.{key}: a configuration would look {name!r} up: rename it in the annotations")


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
