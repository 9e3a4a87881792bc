"""All combinations, as Hydra's own sweeper makes them; a trial that fails does not stop the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from avel.errors import check_count

from .sweep_folder import close, settle_folder


class GridSweeper(BasicSweeper):
    """Runs all combinations, then shows a table of them.

    Args:
        max_batch_size: trials that a launcher gets at a time; None for all.
    """

    def __init__(self, max_batch_size: int | None = None) -> None:
        check_count("hydra.sweeper.max_batch_size", max_batch_size, optional=True)
        super().__init__(max_batch_size)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Choose the folder before the launcher sees it (called by Hydra)."""
        settle_folder(config)
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        """Run all trials (called by Hydra)."""
        returns = super().sweep(arguments)
        assert self.config is not None
        close(Path(self.config.hydra.sweep.dir))
        return returns
