"""What a run folder already holds when a run begins in it: nothing, a checkpoint to go on from, or the results."""

from __future__ import annotations

import json
import logging
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from avel.errors import UserError
from avel.provenance import ABSENT, differences
from avel.run_names import leaves_result
from avel.training.checkpointing import check_checkpoint

RESUMES_FROM = ("last.ckpt", "best.ckpt")
"""Checkpoints that a run goes on from: the first that is whole."""

UNIMPORTANT = ("ckpt_path", "description")
"""Keys that may change meanwhile: a run that is resumed gets the path of its own checkpoint."""

ASIDE = ".until-"
"""What the name of a folder that was set aside goes on with, before the time."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunState:
    """What is left to do in a run folder: nothing where there are `results`, else to go on from `checkpoint`, or all.

    Attributes:
        results: what `results.json` says.
        checkpoint: file of the newest whole checkpoint.
    """

    results: dict[str, Any] | None = None
    checkpoint: Path | None = None


def run_state(folder: Path, stored: Mapping[str, Any], config: Mapping[str, Any], *, restart: bool = False) -> RunState:
    """Look at a run folder before a run begins in it.

    Args:
        folder: it need not exist.
        stored: what its `config.yaml` says, {} where there is none.
        config: what the run is to be, plain values; a value that is None is taken from the data later on.
        restart: begin anew whatever is there; what is worth keeping is set aside under another name.

    Raises:
        UserError: results or checkpoint are of a run with other options.
    """
    results = read_results(folder)
    if restart:
        if results is not None or any((folder / "checkpoints").glob("*.ckpt")):
            set_aside(folder)
        return RunState()
    checkpoint = newest_checkpoint(folder) if results is None and config["stage"] == "fit" else None
    if results is None and checkpoint is None:
        return RunState()
    check_same_config(folder, stored, config)
    return RunState(results, checkpoint)


def read_results(folder: Path) -> dict[str, Any] | None:
    """Return what `results.json` says; None where a run has not come to its end. It is the last file of a run."""
    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return results if isinstance(results, dict) and "metrics" in results else None


def finished_runs(folder: Path) -> list[Path]:
    """Return the folders of all runs at or below a folder that have results, by name; not those that were set aside."""
    return sorted({file.parent for file in folder.rglob("results.json") if ASIDE not in file.parent.name})


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint of a run folder that is whole; those that are torn or damaged are warned of."""
    for path in (folder / "checkpoints" / name for name in RESUMES_FROM):
        if path.is_file():
            try:
                check_checkpoint(path)
                _check_sums(path)
            except (UserError, zipfile.BadZipFile):
                log.warning("%s is torn or damaged: it is passed over", path)
            else:
                return path
    return None


def _check_sums(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(damaged)


def check_same_config(folder: Path, stored: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Refuse to go on in a folder of a run with other options, e.g. since a default has changed.

    Raises:
        UserError: it names the options, with both values.
    """
    changed = {
        key: (before, now)
        for key, (before, now) in differences(stored, config).items()
        if now is not None and str(folder) not in str(now) and not leaves_result(key) and key not in UNIMPORTANT
    }
    if changed:
        lines = [f"  {key}: {_shown(before)} there, {_shown(now)} now" for key, (before, now) in changed.items()]
        raise UserError(
            "\n".join([f"{folder} holds a run of the same name with other options:", *lines])
            + "\nresume=restart sets it aside and begins anew"
        )


def _shown(value: Any) -> str:
    return value if value is ABSENT else repr(value)


def set_aside(folder: Path) -> Path | None:
    """Rename a run folder, so that a run can begin anew without losing what is there (on rank 0)."""
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        return None
    aside = folder.with_name(f"{folder.name}{ASIDE}{time.strftime('%Y-%m-%d_%H-%M-%S')}")
    folder.rename(aside)
    folder.mkdir()
    log.warning("What was in %s is in %s now", folder, aside)
    return aside
