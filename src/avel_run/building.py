"""From a configuration to data, method and trainer; what the data do not fit is refused before anything is written."""

from __future__ import annotations

import logging
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from avel.errors import UserError, check_flag
from avel.training import ranks
from avel_run.arguments import check_arguments
from avel_run.checks import check_facts, check_words
from avel_run.folders import sweeping
from avel_run.splits import needed_splits

if TYPE_CHECKING:  # torch takes seconds to import, and --help does without
    from lightning import Trainer

log = logging.getLogger("avel.run")


def build(cfg: DictConfig) -> tuple[Any, Any]:
    """Build the data and, from their facts and the seed, the method."""
    import torch
    from lightning import seed_everything

    torch.set_float32_matmul_precision(cfg.matmul_precision)
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = build_data(cfg)
    method = build_method(cfg)
    check_pairing(cfg, data, method)
    return data, method


def build_data(cfg: DictConfig) -> Any:
    """Build the data and put what they are like in the place of nulls, in their section and so in the method's."""
    check_arguments("data", plain(cfg.data))
    data = instantiate(cfg.data, _convert_="all")
    check_data(cfg, data)
    fill_in(cfg.data, asdict(data.facts()))
    for task in cfg.data.get("sets", ()):  # what was given on to all sets
        cfg.data.sets[task].update({name: getattr(data, name) for name in ("selection_split", "predict_split")})
    check_facts(cfg)
    return data


def check_data(cfg: DictConfig, data: Any) -> None:
    """Look through the data before anything is built on them: what would fail later is refused now."""
    from avel.data.inspection.features import with_bar
    from avel.data.inspection.start import check_at_start

    about = ("experiment=", "data", "tasks=", "paths.", "protocol", "size=")
    overrides = [override for override in HydraConfig.get().overrides.task if override.startswith(about)]
    command = shlex.join(["python", "scripts/check_dataset.py", *overrides])
    track = with_bar if ranks.rank() == 0 else iter
    for odd in check_at_start(data.by_task(), needed_splits(cfg, data), cfg.check_data, command, track=track):
        log.warning("%s", odd)


def plain(options: DictConfig) -> dict[str, Any]:
    """Return options as plain values, without interpolations."""
    container: Any = OmegaConf.to_container(options, resolve=True)
    return container


def fill_in(options: DictConfig, facts: dict[str, Any]) -> None:
    """Put facts in the place of nulls, also in the sections of several data sets."""
    for key in facts.keys() & options.keys():
        if options[key] is None:
            check_words(key, facts[key])
            options[key] = facts[key]
        elif isinstance(options[key], DictConfig):
            fill_in(options[key], facts[key])


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


def check_pairing(cfg: DictConfig, data: Any, method: Any) -> None:
    """Refuse data that the method, or the weights that it is to start from, cannot work on."""
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


def count_videos(cfg: DictConfig, data: Any) -> dict[str, dict[str, int]]:
    """Count videos by task and split: the usable ones where the stage needs the split, else the annotated ones."""
    from avel.data.option_names import naming_options_of

    needed, videos = needed_splits(cfg, data), {}
    for task, part in data.by_task().items():
        with naming_options_of(task):
            videos[task] = part.facts().videos | {split: len(part.durations(split)) for split in needed}
    return videos


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
