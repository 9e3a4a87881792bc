"""Opens what the papers' authors released: state dicts, training states, whole modules and weights of Keras."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from avel.errors import UserError, readable
from avel.keras import dense_layout, read_keras_weights
from avel.torch_files.pickled import check_sums, is_archive, plain, read_pickled, tensors_of
from avel.torch_files.unpickling import Inert

Weights = Literal["ema", "last"]

HDF5 = b"\x89HDF\r\n\x1a\n"
LONGEST = 200
"""Signs in the name of a tensor at most."""

ENTRIES: dict[Weights, str] = {"ema": "state_dict_ema", "last": "state_dict"}


@dataclass(frozen=True, slots=True)
class Released:
    """Weights of a released file.

    Attributes:
        tensors: under their released names, without the prefix of wrappers.
        kind: what kind of file they were in.
        left_out: what else was in it.
    """

    tensors: Mapping[str, Tensor]
    kind: str
    left_out: tuple[str, ...] = ()


def read_released(path: str | Path, weights: Weights | None = None, map_location: str = "cpu") -> Released:
    """Read released weights; no code in a file is ever run.

    Args:
        path: the file.
        weights: of a training state, its averaged weights ("ema") or those of the last step ("last"); None: averaged
            ones where there are some, as the released evaluations do.
        map_location: "meta" for shapes without values, of files whose numbers need not be read.

    Raises:
        UserError: there is no such file, it is damaged or could run code, or it holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: " + ("is a folder, give a file" if path.is_dir() else "there is no such file"))
    with path.open("rb") as file:
        hdf5 = file.read(len(HDF5)) == HDF5
    if hdf5:
        return Released(dense_layout(read_keras_weights(path)), "weights of Keras")
    content = _read(path, map_location)
    if isinstance(content, Inert):
        return _released(path, tensors_of(content), f"whole module {readable(type(content).__name__)}")
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds {type(content).__name__}, and no weights by their names")
    content = plain(content)
    if "hyper_parameters" in content:
        raise UserError(f"{path}: is a checkpoint of a run, there is nothing to convert")
    if "state_dict" in content:
        return _of_training(path, content, weights)
    return _released(path, content, "state dict")


def _read(path: Path, map_location: str) -> Any:
    content = read_pickled(path, device="meta")  # refuses what PyTorch would run out of stack, memory or time with
    if map_location == "meta":
        return content
    check_sums(path)
    try:
        with warnings.catch_warnings(action="ignore"):
            # states of optimizers are several times as large as the weights: only what is used is read
            return torch.load(path, map_location=map_location, weights_only=True, mmap=is_archive(path))
    except Exception:  # it names classes
        return read_pickled(path)


def _of_training(path: Path, content: dict[str, Any], weights: Weights | None) -> Released:
    """Choose from a training state."""
    chosen = weights or ("ema" if ENTRIES["ema"] in content else "last")
    entry = ENTRIES[chosen]
    if entry not in content:
        raise UserError(f"{path}: has no {entry}: take --weights last")
    held = content[entry]
    if isinstance(held, Inert):
        held = tensors_of(held)
    if not isinstance(held, dict):
        raise UserError(f"{path}: its {entry} holds no weights by their names")
    epoch = content.get("epoch")
    of_epoch = f" of epoch {epoch}" if isinstance(epoch, int) else ""
    left_out = tuple(readable(str(name)) for name in content if name not in (entry, "epoch"))
    return _released(path, held, f"{'averaged' if chosen == 'ema' else 'last'} weights{of_epoch}", left_out)


def _released(path: Path, found: dict[Any, Any], kind: str, left_out: tuple[str, ...] = ()) -> Released:
    found = plain(found)
    others = [name for name, value in found.items() if not (isinstance(value, Tensor) and _is_name(name))]
    if not found or others:
        what = f"things that are no weights, such as {readable(str(others[0]))}" if others else "no weights"
        raise UserError(f"{path}: holds {what}: give a file of weights by their names, or of a released code")
    wrapper = "module." if all(name.startswith("module.") for name in found) else ""
    tensors = {name.removeprefix(wrapper): value.detach() for name, value in found.items()}
    return Released(tensors, kind, left_out)


def _is_name(name: Any) -> bool:
    """Whether a tensor may be called so: messages and patterns take it as it is."""
    return isinstance(name, str) and name.isprintable() and len(name) <= LONGEST
