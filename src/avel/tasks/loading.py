"""Methods to and from checkpoints, as plain values: no code in a file is ever run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from itertools import zip_longest
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast, get_args, get_origin, get_type_hints

import torch
from lightning import LightningModule

from avel.errors import UserError
from avel.naming import class_below
from avel.provenance import show_differences

METHODS = "avel.methods"
"""Where the classes live that a checkpoint may name."""


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
    before = open_checkpoint(path, map_location="meta")["hyper_parameters"]
    now = plain_arguments(method.hparams)
    free = ("optimizer", "loss", "decoder", "tasks", "prompt_dim")
    names = [name for name in now if name in before and name not in free]
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
    """Read a checkpoint of a run, which holds plain values only.

    Raises:
        UserError: the file is missing or damaged, or something else.
    """
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except UnpicklingError:
        raise UserError(
            f"{path} cannot be opened as a checkpoint: it is damaged, or holds more than plain values"
        ) from None
    except (OSError, EOFError, RuntimeError) as error:
        raise UserError(f"{path} cannot be opened as a checkpoint: {error}") from None
    if not isinstance(checkpoint, dict) or "hyper_parameters" not in checkpoint:
        raise UserError(f"{path} cannot be opened as a checkpoint: it is not of a run of avel")
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
    name = str(checkpoint.get("method", ""))
    method_class = class_below(METHODS, name)
    if method_class is None or not issubclass(method_class, LightningModule):
        raise UserError(f"{path} names no method of avel (key `method` is {name!r}): was it written by a run of avel?")
    hints = get_type_hints(method_class.__init__)
    arguments = {name: _restored(value, hints[name]) for name, value in checkpoint["hyper_parameters"].items()}
    method = method_class(**arguments)
    method.load_state_dict(checkpoint["state_dict"])
    return method.eval()


def _restored(value: Any, hint: Any) -> Any:
    """Make dataclasses of dictionaries again, as hints like `HeadConfig | None` and `Mapping[str, DenseTask]` say."""
    if not isinstance(value, dict):
        return value
    if is_dataclass(hint):
        kind, hints = cast(Any, hint), get_type_hints(hint)
        return kind(**{name: _restored(item, hints[name]) for name, item in value.items()})
    if get_origin(hint) is Mapping:
        return {name: _restored(item, get_args(hint)[1]) for name, item in value.items()}
    return _restored(value, next(kind for kind in get_args(hint) if kind is not type(None)))
