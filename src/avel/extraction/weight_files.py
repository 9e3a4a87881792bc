"""Weights that were published as files: opening them, of which none may run code, and filling a network with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
import torch
from torch import Tensor, nn

from avel.errors import UserError
from avel.keras import INFLATION, read_keras_weights
from avel.torch_files.pickled import check_sums, read_pickled

REBUILD = np.empty(0).__reduce__()[0]
ARRAYS: list[Any] = [
    (REBUILD, "numpy.core.multiarray._reconstruct"),  # as NumPy 1 called it
    (REBUILD, "numpy._core.multiarray._reconstruct"),
    np.ndarray,
    np.dtype,
    np.dtypes.Float32DType,
    np.dtypes.Float64DType,
]
"""What PyTorch needs to read arrays of NumPy in its files; it can do no harm."""


def read_weights(path: str | Path, advice: str = "") -> dict[str, Tensor]:
    """Read the tensors of a file, or those of all weight files in a folder, by their names.

    Files of PyTorch (.pth, .pt, .bin), safetensors, NumPy (.npz) and Keras (.h5) are known by their endings.

    Args:
        path: the file or folder.
        advice: which weights are wanted, and how to say where they are, for messages.

    Raises:
        UserError: there is no such file, it cannot be read, or two files of the folder hold tensors of one name.
    """
    path, tensors = Path(path), dict[str, Tensor]()
    for file in _weight_files(path, advice):
        found = _read(file, advice)
        if both := sorted(tensors.keys() & found.keys()):
            raise UserError(f"{path}: several files in it hold {both[0]}: leave one of them there. {advice}".rstrip())
        tensors |= found
    return tensors


def fill(network: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Give a network its weights, all of them and no others, in float32.

    Args:
        network: it may lie on the device "meta", so that no time goes into weights that are replaced.
        tensors: by the names that they have in the network.
        where: they come from, for messages.

    Raises:
        UserError: tensors are missing, left over, or of another shape; the message names them.
    """
    wanted = network.state_dict()
    wrong = [name for name in wanted.keys() & tensors.keys() if tensors[name].shape != wanted[name].shape]
    problems = {
        "lacks": wanted.keys() - tensors.keys(),
        "has unknown": tensors.keys() - wanted.keys(),
        "has in another shape": wrong,
    }
    if told := "; ".join(f"{problem} {_shown(names)}" for problem, names in problems.items() if names):
        raise UserError(f"{where}: holds weights of another network: {told}")
    network.load_state_dict({name: tensors[name].float().contiguous() for name in wanted}, assign=True)


def _shown(names: Iterable[str]) -> str:
    first = sorted(names, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])
    return ", ".join(first[:4]) + f" and {len(first) - 4} more" * (len(first) > 4)


def _weight_files(path: Path, advice: str) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such file. {advice}".rstrip())
    found = sorted(file for file in path.iterdir() if file.suffix in READERS and file.is_file())
    if not found:
        raise UserError(f"{path}: holds no weight files ({', '.join(READERS)}). {advice}".rstrip())
    return found


def _read(path: Path, advice: str) -> dict[str, Tensor]:
    if path.suffix not in READERS:
        raise UserError(
            f"{path}: is none of {', '.join(READERS)}, the weight files that can be read. {advice}".rstrip()
        )
    try:
        found = READERS[path.suffix](path)
        return {name: torch.as_tensor(value) for name, value in found.items()}
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
        MemoryError,
        OverflowError,
        TokenError,
        UnpicklingError,
        BadZipFile,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path}: cannot be read as weights ({reason}): get the file again. {advice}".rstrip()
        ) from None


def _check_inflation(path: Path) -> None:
    """Refuse an archive that is small here and would fill the memory."""
    if is_zipfile(path):
        with ZipFile(path) as archive:
            wanted, size = sum(entry.file_size for entry in archive.infolist()), path.stat().st_size
        if wanted > INFLATION * size:
            raise ValueError(f"it is said to hold {wanted:,} bytes, the file has {size:,}")


def _read_torch(path: Path) -> Any:
    try:
        read_pickled(path, "meta")  # refuses what PyTorch would run out of stack, memory or time with
        check_sums(path)
    except UserError as error:
        raise ValueError(str(error).removeprefix(f"{path}: ")) from None
    with torch.serialization.safe_globals(ARRAYS):
        return torch.load(path, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise UserError(f"{path}: {error}. Install the optional packages: pip install -e '.[media]'") from None
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from None


def _read_numpy(path: Path) -> Any:
    _check_inflation(path)
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


READERS: dict[str, Callable[[Path], Any]] = {
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".bin": _read_torch,
    ".safetensors": _read_safetensors,
    ".npz": _read_numpy,
    ".h5": read_keras_weights,
}
"""Ending of a weight file -> what reads it."""
