"""A search by Optuna that goes on where it was cut off; Hydra's own plugin needs Optuna 2 and forgets what it ran."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from math import ceil
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from avel.errors import UserError, check_count

from .sweep_folder import close, settle_folder


class OptunaSweeper(Sweeper):
    """Tries values that Optuna's TPE suggests; what counts is the score that chose a trial's weights, never the test.

    Args:
        n_trials: trials with a score, those of earlier starts included.
        n_jobs: trials that a launcher gets at a time.
        seed: of the suggestions.
        search_space: key of the configuration -> see `avel.training.search.distribution`. On the command line
            `KEY=interval(0.0,0.5)`, `KEY=tag(log,interval(1e-5,1e-3))`, `KEY=range(2,6)` or `KEY=1,2,4` adds to it, and
            `KEY=VALUE` takes a key out of it.
    """

    def __init__(self, n_trials: int, n_jobs: int, seed: int, search_space: DictConfig) -> None:
        for key, value, least in (("n_trials", n_trials, 1), ("n_jobs", n_jobs, 1), ("seed", seed, 0)):
            check_count(f"hydra.sweeper.{key}", value, least)
        self.n_trials, self.n_jobs, self.seed = n_trials, n_jobs, seed
        self.search_space: dict[str, Any] = OmegaConf.to_container(search_space, resolve=True)  # type: ignore[assignment]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Choose the folder before the launcher sees it (called by Hydra)."""
        if not find_spec("optuna"):
            raise UserError("sweep=optuna: install the optional package, pip install -e '.[optuna]'")
        self.folder = settle_folder(config, f"search_space={json.dumps(self.search_space, sort_keys=True)}")
        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Ask, run, learn, until there are enough (called by Hydra)."""
        from avel.training import search

        space, fixed = self._space(arguments)
        study = search.open_study(self.folder, seed=self.seed, parallel=self.n_jobs)
        waiting = search.left_over(study, space)
        started = 0
        while waiting or search.completed(study) + started < self.n_trials:
            batch, waiting = waiting[: self.n_jobs], waiting[self.n_jobs :]
            missing = self.n_trials - search.completed(study) - started - len(batch)
            batch += search.suggest(study, space, max(0, min(self.n_jobs - len(batch), missing)))
            scores = self._run(batch, fixed)
            search.learn(study, batch, scores)
            started += sum(score is None for score in scores)  # is tried again at the next start
        close(self.folder)

    def _run(self, batch: Sequence[Any], fixed: Sequence[str]) -> list[float | None]:
        overrides = [[*fixed, *(f"{key}={written(value)}" for key, value in trial.values.items())] for trial in batch]
        self.validate_batch_is_legal(overrides)
        assert self.launcher is not None
        returns = self.launcher.launch(overrides, initial_job_idx=batch[0].number)
        return [done.return_value for done in returns]

    def _space(self, arguments: list[str]) -> tuple[dict[str, Any], list[str]]:
        """Take the space and the command line apart into what is searched and what is fixed."""
        from avel.training.search import distribution

        options, fixed = dict(self.search_space), []
        for override in OverridesParser.create().parse_overrides(arguments):
            key = override.get_key_element()
            if override.is_sweep_override():
                options[key] = swept(override)
            else:
                options.pop(key, None)
                fixed.append(override.input_line or "")
        return {key: distribution(key, of_key) for key, of_key in options.items()}, fixed


def written(value: Any) -> str:
    """Write a value as on the command line."""
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def swept(override: Override) -> dict[str, Any]:
    """Read a sweep of the command line as one key of a search space."""
    value = override.value()
    if isinstance(value, IntervalSweep):
        return {"low": value.start, "high": value.end, "log": "log" in value.tags}
    if isinstance(value, RangeSweep):
        start, stop = value.start or 0, value.stop or 0
        steps = ceil((stop - start) / value.step) - 1  # without the end, as in Python
        return {"low": start, "high": start + steps * value.step, "step": value.step}
    return {"choices": list(override.sweep_string_iterator())}
