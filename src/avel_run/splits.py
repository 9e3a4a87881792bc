"""Which split of the data a stage needs, what it judges, and what was chosen by which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig


def needed_splits(cfg: DictConfig, data: Any) -> tuple[str, ...]:
    """Splits whose videos the stage needs."""
    return ("train", data.selection_split, "test") if cfg.stage == "fit" else (judged_split(cfg, data),)


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
