"""Methods to and from checkpoints, as plain values: no code in a file is ever run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule

from avel.errors import UserError, readable
from avel.provenance import show_differences
from avel.tasks.conversion import convert_released
from avel.tasks.rebuilding import new_method
from avel.training.checkpoint_files import another, check_checkpoint, read_checkpoint
from avel.training.checkpointing import WholeFileIO

TESTED = {"state_dict", "hyper_parameters", "epoch", "global_step", "pytorch-lightning_version"}
"""What a checkpoint holds at least that can be tested."""

SECTIONS = ("state_dict", "hyper_parameters", "data", "released")
"""What names its parts."""

log = logging.getLogger(__name__)


def plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the dataclasses among a constructor's arguments, and in mappings among these, into dictionaries."""
    return {name: _plain(value) for name, value in arguments.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain_arguments(value)
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def changed_arguments(path: str | Path, method: LightningModule) -> dict[str, tuple[Any, Any]]:
    """Compare a method with the one whose weights a checkpoint holds: argument -> its value then and now.

    How a method is optimized and decoded may be chosen anew and is left out; so are prompts, which are weights.
    """
    checkpoint = open_checkpoint(path, map_location="meta")
    before = checkpoint["hyper_parameters"]
    now = plain_arguments(method.hparams)
    free = ("optimizer", "loss", "decoder", "tasks", "prompt_dim")
    unknown = {name.partition(".")[0] for name in checkpoint.get("released", {}).get("assumed", ())}
    names = [name for name in now if name in before and name not in (*free, *unknown)]
    return {name: (before[name], now[name]) for name in names if before[name] != now[name]}


def check_same_features(path: str | Path, data: Mapping[str, Any]) -> None:
    """Refuse features that were made in another way than those that a checkpoint learned from, if both are known.

    Args:
        path: the checkpoint.
        data: task -> data set.

    Raises:
        UserError: they were.
    """
    learned = open_checkpoint(path, map_location="meta").get("data", {})
    for task, part in data.items():
        before, now = learned.get(task, {}).get("features"), part.memory().get("features")
        if before and now and (changed := show_differences(before, now, ("checkpoint", "data"))):
            name = f" of the task {task}" if task else ""
            raise UserError(
                f"ckpt_path={path}: learned from features{name} that were made in another way than those of the data:"
                f" extract them as the checkpoint says, or train anew\n{changed}"
            )


def check_same_classes(path: str | Path, data: Mapping[str, Any]) -> None:
    """Refuse data of other classes, or in another order, than those that a checkpoint learned, if it says which.

    Args:
        path: the checkpoint.
        data: task -> data set.

    Raises:
        UserError: they are.
    """
    learned = open_checkpoint(path, map_location="meta").get("data", {})
    for task, part in data.items():
        known, wanted = learned.get(task, {}).get("class_names"), part.memory().get("class_names")
        if known and wanted and (differing := _first_difference(known, wanted)):
            name = f" of the task {task}" if task else ""
            raise UserError(
                f"ckpt_path={path}: learned other classes{name} than the data have, or in another order: {differing}."
                " Repeat the data.class_names of config.yaml in the checkpoint's run folder, or train anew"
            )


def _first_difference(known: Sequence[str], wanted: Sequence[str]) -> str:
    """Say where lists of classes differ first; "" where they do not."""
    for number, (one, other) in enumerate(zip_longest(known, wanted, fillvalue="nothing")):
        if one != other:
            return f"class {number} is {one} in the checkpoint, {other} in the data"
    return ""


def open_checkpoint(path: str | Path, map_location: str = "cpu") -> dict[str, Any]:
    """Read a checkpoint of a run, or weights that a paper's authors released, as one of a run.

    Args:
        path: the file.
        map_location: "meta" for shapes without numbers, which is fast, and notices no damage to numbers.

    Raises:
        UserError: the file is missing or damaged, or something else; the message names a checkpoint beside it that can
            take its place.
        OSError: the disk does not give it.
    """
    path = Path(path)
    try:
        checkpoint = read_checkpoint(path, map_location) if path.is_file() else None
    except UserError as error:
        raise UserError(f"{_not_opened(path, error)}{another(path)}") from None
    if checkpoint is not None:
        return checkpoint
    try:
        return convert_released(path, map_location=map_location).checkpoint
    except UserError as error:
        neither = "it is not of a run of avel, nor released weights: "
        raise UserError(f"{_not_opened(path, error, neither)}{another(path)}") from None


def _not_opened(path: Path, error: UserError, neither: str = "") -> str:
    return f"{path} cannot be opened as a checkpoint: {neither}{str(error).removeprefix(f'{path}: ')}"


def check_weights(path: Path, *, resumes: bool) -> int:
    """Return the epoch (from 1) in or after which a checkpoint was written; 0 for released weights.

    Args:
        path: the file.
        resumes: training is to go on from it.

    Raises:
        UserError: it cannot be opened, or training cannot go on from it.
        OSError: the disk does not give it.
    """
    epoch = 0
    try:
        epoch = check_checkpoint(path).epoch
    except UserError:
        if not path.is_file():
            raise
    try:
        checkpoint = open_checkpoint(path, map_location="meta")
    except UserError as error:
        reason = str(error).partition("checkpoint: ")[2]
        raise UserError(f"ckpt_path={path}: this is no checkpoint of a run, or a damaged one: {reason}") from None
    if not (checkpoint.keys() >= TESTED and all(isinstance(checkpoint.get(name, {}), dict) for name in SECTIONS)):
        raise UserError(f"ckpt_path={path}: this is no checkpoint of a run, or a damaged one; take another file")
    if resumes and not epoch:
        raise UserError(f"ckpt_path={path}: holds weights alone: test them, stage=test; training cannot go on from it")
    return epoch


class AnyCheckpointIO(WholeFileIO):
    """Reads released weights as checkpoints, too, and says so."""

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint onto the CPU (called by the trainer)."""
        checkpoint = open_checkpoint(path)
        if released := checkpoint.get("released"):
            kind = str(checkpoint["method"]).rpartition(".")[2]
            log.info("Released weights of %s: %s (%s)", kind, released["file"], released["kind"])
        return checkpoint


def load_method(path: str | Path) -> LightningModule:
    """Rebuild the method that a run's checkpoint holds, with its weights, in evaluation mode.

    Args:
        path: a checkpoint of this package, e.g. `checkpoints/best.ckpt` in a run folder.

    Returns:
        The method, e.g. a `CCNet`; its `localize` takes batches of videos of any length.

    Raises:
        UserError: the file is missing, damaged, or names no method of this package.
    """
    return build_method(path, open_checkpoint(path))


def build_method(path: str | Path, checkpoint: Mapping[str, Any]) -> LightningModule:
    """Rebuild the method of a checkpoint that is open already, see `load_method`."""
    try:
        name, arguments = str(checkpoint.get("method", "")), checkpoint["hyper_parameters"]
        with torch.device("meta"):  # sizes that are not those of the weights may be any: no memory for them
            new_method(name, arguments).load_state_dict(checkpoint["state_dict"], assign=True)
        method = new_method(name, arguments)
        method.load_state_dict(checkpoint["state_dict"])
    except UserError as error:
        raise UserError(f"{path} {error}") from None
    except (AttributeError, KeyError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        kind = str(checkpoint["method"]).rpartition(".")[2]
        reason = readable(" ".join(str(error).split()), 200)
        raise UserError(
            f"{path}: {kind} cannot be built of what it holds ({type(error).__name__}: {reason}): was it written by"
            " another version, or changed?"
        ) from error
    return method.eval()
