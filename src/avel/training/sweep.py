"""The folder of a sweep: which trials it has and how each ended. The runs themselves lie in folders of their own.

multirun.yaml  trials/<run>.json  summary.csv  summary.md  [study.log]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from avel.errors import UserError
from avel.training.files import write_json
from avel.training.results_format import is_text

Status = Literal["running", "done", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a sweep.

    Attributes:
        number: place in the sweep, from 0.
        folder: its run folder.
        overrides: what it was asked for.
        status: "running" (or killed), "done" now, "skipped" as it was done before, or "failed".
        message: why it failed.
    """

    number: int
    folder: str
    overrides: tuple[str, ...]
    status: Status = "running"
    message: str = ""


def write_trial(sweep: Path, trial: Trial) -> None:
    """Note how a trial stands (on rank 0)."""
    run = Path(trial.folder)
    write_json(sweep / "trials" / f"{run.parent.name}__{run.name}.json", asdict(trial))


def read_trials(sweep: Path) -> list[Trial]:
    """Return the trials that have begun, in order.

    Raises:
        UserError: the note on one is damaged.
    """
    trials = [_read_trial(path) for path in (sweep / "trials").glob("*.json")]
    return sorted(trials, key=lambda trial: (trial.number, trial.folder))


def _read_trial(path: Path) -> Trial:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        trial = Trial(**said | {"overrides": tuple(said["overrides"])})
        texts = trial.folder, *trial.overrides
        if type(trial.number) is not int or not all(map(is_text, texts)) or "\0" in trial.folder:
            raise ValueError
        return trial
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path}: is damaged: remove it, and the trial begins anew") from None


def failed(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that failed."""
    return [trial for trial in trials if trial.status == "failed"]
