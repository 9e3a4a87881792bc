"""What a run computes: the stage, and the baselines that its result has to beat."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from avel_run.interruption import answering_ctrl_c
from avel_run.splits import resting_split, selection_split

if TYPE_CHECKING:
    from lightning import Trainer

Baselines = dict[str, dict[str, dict[str, float]]]
"""Task -> name of the baseline -> name of the score -> number."""

log = logging.getLogger("avel.run")


def score_baselines(cfg: DictConfig, method: Any, data: Any) -> Baselines:
    """Score what a result on the test split has to beat."""
    if cfg.stage not in ("fit", "test"):
        return {}
    baselines = {task: method.baselines(part, "test") for task, part in data.by_task().items()}
    if cfg.untrained and cfg.stage == "fit":
        quiet = {"callbacks": [], "logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
        trainer = instantiate(cfg.trainer, **quiet)
        with answering_ctrl_c(trainer):
            trainer.test(method, data, verbose=False)
        for task, scores in method.scores.items():
            baselines[task]["untrained"] = scores
    return baselines


def run_stage(cfg: DictConfig, trainer: Trainer, method: Any, data: Any) -> str | None:
    """Run the stage; a fit is followed by the test of its best checkpoint. Returns the weights that were judged."""
    from avel.training.batch_limits import limits_must_fit
    from avel.training.checkpoint_files import best_checkpoint, sizes_must_fit

    if cfg.ckpt_path:
        warn_of_other_options(cfg.ckpt_path, method)
    elif cfg.stage != "fit":
        log.warning("No ckpt_path: these are the numbers of an untrained method")
    with sizes_must_fit(cfg.ckpt_path), limits_must_fit(trainer):
        if cfg.stage == "fit":
            trainer.fit(method, data, ckpt_path=cfg.ckpt_path)
            best = best_checkpoint(Path(cfg.paths.run_dir))
            warn_of_choice(cfg, data, best)
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


def warn_of_choice(cfg: DictConfig, data: Any, weights: str | None) -> None:
    """Say where the test split had a say in what is tested, and where validation had none."""
    if selection_split(cfg, data, weights) == "test":
        log.warning("The checkpoint was chosen on the test split, as the released code does: too good a result")
    if resting_split(cfg, data) == "test":
        log.warning("Stop-and-go looked at the test split, as the released code does: too good a result")
    if weights is None:
        log.warning("No checkpoint was kept: the weights at the end of the training are tested")
    elif Path(weights).name != "best.ckpt":
        log.warning("There is no best.ckpt: the weights at the end of the training are tested")
