"""Weights in the HDF5 files of Keras 2 (`save_weights`), and their layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from avel.errors import UserError


def read_keras_weights(path: str | Path) -> dict[str, Tensor]:
    """Read all weights under the names that Keras lists them by, e.g. "dense_1/kernel", in its layout.

    Raises:
        UserError: the file is missing, damaged or no weight file of Keras.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            layers = [file[_text(layer)] for layer in file.attrs["layer_names"]]
            names = [(layer, _text(name)) for layer in layers for name in layer.attrs["weight_names"]]
            return {name.removesuffix(":0"): torch.from_numpy(np.asarray(layer[name][()])) for layer, name in names}
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a weight file of Keras: {error}") from None


def dense_layout(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Transpose the kernels of dense layers from (in, out) to (out, in), which `torch.nn.Linear` has."""
    return {name: tensor.mT if name.endswith("/kernel") else tensor for name, tensor in weights.items()}


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
