"""A search for good options that survives: an Optuna study in one file, beside the runs that it asks for.

What was cut off or failed is asked for again first, with the same values, so that its run goes on in the same folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from avel.errors import UserError

FILE = "study.log"
Space = Mapping[str, BaseDistribution]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Values to try: `number` is that of the trial in the study, `values` are by key of the configuration."""

    number: int
    values: Mapping[str, Any]


def distribution(key: str, options: Mapping[str, Any]) -> BaseDistribution:
    """Read where the values of a key come from.

    Args:
        key: for messages.
        options: `choices`, a list, or `low` and `high`, both included; with `log: true` magnitudes are equally likely,
            with `step` only values in such steps are. Of whole numbers, the values are whole numbers.

    Raises:
        UserError: it is neither.
    """
    try:
        if options.keys() == {"choices"}:
            return CategoricalDistribution(list(options["choices"]))
        whole = all(type(options[end]) is int for end in ("low", "high"))
        return IntDistribution(**{"step": 1, **options}) if whole else FloatDistribution(**options)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"hydra.sweeper.search_space.{key}={dict(options)}: give choices, or low and high, and log or step"
            f" ({error or type(error).__name__})"
        ) from error


def open_study(folder: Path, *, seed: int, parallel: int = 1) -> optuna.Study:
    """Begin or go on with the study of a sweep's folder; higher scores are better.

    Args:
        folder: of the sweep.
        seed: of the suggestions.
        parallel: trials that run at a time: with several, values near those that are being tried are avoided.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(folder / FILE)))
    study = optuna.create_study(storage=storage, study_name="sweep", direction="maximize", load_if_exists=True)
    # a study that goes on must not draw again what it began with
    study.sampler = TPESampler(seed=seed + len(study.trials), constant_liar=parallel > 1)
    return study


def left_over(study: optuna.Study, space: Space) -> list[Suggestion]:
    """Return what was cut off, and again what failed and was not tried again yet."""
    trials = study.get_trials()
    cut_off = [Suggestion(trial.number, trial.params) for trial in trials if trial.state == TrialState.RUNNING]
    settled = [trial.params for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.RUNNING)]
    failed: list[dict[str, Any]] = []
    for trial in trials:
        if trial.state == TrialState.FAIL and trial.params not in [*settled, *failed]:
            failed.append(trial.params)
    for values in failed:
        study.enqueue_trial(values)
    return [*cut_off, *suggest(study, space, len(failed))]


def suggest(study: optuna.Study, space: Space, count: int) -> list[Suggestion]:
    """Suggest values to try."""
    trials = [study.ask(dict(space)) for _ in range(count)]
    return [Suggestion(trial.number, trial.params) for trial in trials]


def completed(study: optuna.Study) -> int:
    """Return how many trials have a score."""
    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def learn(study: optuna.Study, tried: Sequence[Suggestion], scores: Sequence[float | None]) -> None:
    """Tell what came out; None: the run failed."""
    for suggestion, score in zip(tried, scores, strict=True):
        if score is None:
            study.tell(suggestion.number, state=TrialState.FAIL)
        else:
            study.tell(suggestion.number, score)
