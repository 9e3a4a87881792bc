"""What a run folder already holds when a run begins in it: nothing, a checkpoint to go on from, or the results."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from avel.errors import UserError
from avel.provenance import ABSENT, differences
from avel.run_names import leaves_result
from avel.training.checkpoint_files import find_checkpoints
from avel.training.folder_lock import take_along
from avel.training.results_format import check_results

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
    checkpoint = _whole_checkpoint(folder) if results is None and config["stage"] == "fit" else None
    if results is None and checkpoint is None:
        return RunState()
    check_same_config(folder, stored, config)
    return RunState(results, checkpoint)


def _whole_checkpoint(folder: Path) -> Path | None:
    """Return what a run goes on from. Nobody may be there to ask: where all are damaged, it begins anew beside them."""
    found = find_checkpoints(folder / "checkpoints")
    if found.damaged and found.newest is None:
        set_aside(folder)  # before a warning opens a log there
    for path in found.damaged:
        log.warning("%s is torn or damaged: it is passed over", path)
    return found.newest


def read_results(folder: Path) -> dict[str, Any] | None:
    """Return what `results.json` says; None where a run has not come to its end. It is the last file of a run.

    Raises:
        UserError: it says what no run writes.
    """
    path = folder / "results.json"
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    if not isinstance(results, dict) or "metrics" not in results:
        return None
    check_results(results, path)
    return results


def finished_runs(folder: Path) -> list[Path]:
    """Return the folders of all runs at or below a folder that have results, by name; not those that were set aside."""
    return sorted({file.parent for file in folder.rglob("results.json") if ASIDE not in file.parent.name})


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
    take_along(aside, folder)
    log.warning("What was in %s is in %s now", folder, aside)
    return aside
