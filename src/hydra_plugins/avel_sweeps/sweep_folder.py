"""Where a sweep has its own files, and what it leaves there."""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig, open_dict, read_write


def settle_folder(config: DictConfig, *more: str) -> Path:
    """Name a sweep by its overrides, so that the same sweep finds its folder again; `hydra.sweep.dir=DIR` is another.

    Args:
        config: of the sweep; its trials get the folder as an override.
        more: overrides that only the name gets.
    """
    from avel.run_names import run_name

    folder = Path(config.hydra.sweep.dir).resolve()
    if not any(override.startswith("hydra.sweep.dir=") for override in config.hydra.overrides.hydra):
        folder /= run_name([*config.hydra.overrides.task, *more])
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweep.dir = str(folder)
            quoted = str(folder).replace("'", r"\'")
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{quoted}'")
    return folder


def close(folder: Path) -> None:
    """Show and write the summary; the exit code is 1 if a trial failed."""
    from avel.training import sweep

    from .summary import summarize

    trials = sweep.read_trials(folder)
    summarize([folder], folder)
    if sweep.failed(trials):
        sys.exit(1)
