"""Weights in the HDF5 files of Keras 2 (`save_weights`), and their layout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from avel.errors import UserError

INFLATION = 16
"""Times by which compressed weights may grow."""
HEADER = 64
"""Bytes that a weight takes besides its numbers, at least."""


def read_keras_weights(path: str | Path) -> dict[str, Tensor]:
    """Read all weights under the names that Keras lists them by, e.g. "dense_1/kernel", in its layout.

    Links that lead out of a layer's group, and weights that lie in other files, are not followed.

    Raises:
        UserError: the file is missing, damaged or no weight file of Keras.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            layers = [_own(file, _text(layer)) for layer in file.attrs["layer_names"]]
            size = Path(path).stat().st_size
            found: dict[str, Any] = {}
            for number, (layer, name) in enumerate(_listed(layers)):
                if number * HEADER > size:
                    raise ValueError("it lists more weights than it can hold")
                found[name.removesuffix(":0")] = _own(layer, name)
            _check_sizes(found, size)
            return {name: torch.from_numpy(np.asarray(weight[()])) for name, weight in found.items()}
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} cannot be read as a weight file of Keras: {error}") from None


def _listed(layers: Iterable[Any]) -> Iterator[tuple[Any, str]]:
    return ((layer, _text(name)) for layer in layers for name in layer.attrs["weight_names"])


def _own(group: Any, name: str) -> Any:
    """Return what lies under a name in a group of its file, and not elsewhere."""
    for part in name.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link to elsewhere")
        group = group[part]
    return group


def _check_sizes(weights: Mapping[str, Any], size: int) -> None:
    """Refuse weights that are not in the file, and numbers that it cannot hold."""
    for name, weight in weights.items():
        if weight.is_virtual or weight.external:
            raise ValueError(f"{name} lies in other files")
        if weight.dtype.kind not in "fiu":  # rows of any length may all be the same long one
            raise ValueError(f"{name} holds no numbers")
    if (wanted := sum(map(_size, weights.values()))) > INFLATION * size:
        raise ValueError(f"its weights are said to have {wanted:,} bytes, the file has {size:,}")


def _size(weight: Any) -> int:
    """Return the bytes that reading a weight takes: chunks are read whole."""
    return int(max(weight.nbytes, math.prod(weight.chunks or ()) * weight.dtype.itemsize))


def dense_layout(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Transpose the kernels of dense layers from (in, out) to (out, in), which `torch.nn.Linear` has."""
    return {name: tensor.mT if name.endswith("/kernel") else tensor for name, tensor in weights.items()}


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
