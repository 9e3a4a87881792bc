"""Methods to and from checkpoints, as plain values: no code in a file is ever run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast, get_args, get_origin, get_type_hints

import torch
from lightning import LightningModule

from avel.errors import UserError

METHODS = "avel.methods."
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

    How a method is optimized and decoded may be chosen anew and is left out.
    """
    before = torch.load(path, map_location="meta", weights_only=True).get("hyper_parameters", {})
    now = plain_arguments(method.hparams)
    names = [name for name in now if name in before and name not in ("optimizer", "loss", "decoder", "tasks")]
    return {name: (before[name], now[name]) for name in names if before[name] != now[name]}


def load_method(path: str | Path) -> LightningModule:
    """Rebuild the method that a run's checkpoint holds, with its weights, in evaluation mode.

    Args:
        path: a checkpoint of this package, e.g. `checkpoints/best.ckpt` in a run folder.

    Returns:
        The method, e.g. a `CCNet`; its `localize` takes batches of videos of any length.

    Raises:
        UserError: the file is missing, damaged, or names no method of this package.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise UserError(
            f"{path} cannot be opened as a checkpoint: it is damaged, or holds more than plain values"
        ) from None
    except (OSError, EOFError, RuntimeError) as error:
        raise UserError(f"{path} cannot be opened as a checkpoint: {error}") from None
    if not isinstance(checkpoint, dict) or "hyper_parameters" not in checkpoint:
        raise UserError(f"{path} cannot be opened as a checkpoint: it is not of a run of avel")
    method_class = _class_of(str(path), str(checkpoint.get("method", "")))
    hints = get_type_hints(method_class.__init__)
    arguments = {name: _restored(value, hints[name]) for name, value in checkpoint["hyper_parameters"].items()}
    method: LightningModule = method_class(**arguments)
    method.load_state_dict(checkpoint["state_dict"])
    return method.eval()


def _class_of(path: str, name: str) -> type[LightningModule]:
    """The class that a checkpoint names; only modules below `METHODS` are ever imported."""
    module, _, kind = name.rpartition(".")
    if module.startswith(METHODS) and find_spec(module):
        found = getattr(import_module(module), kind, None)
        if isinstance(found, type) and issubclass(found, LightningModule):
            return found
    raise UserError(f"{path} names no method of avel (key `method` is {name!r}): was it written by a run of avel?")


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
