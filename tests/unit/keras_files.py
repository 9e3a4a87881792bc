"""Writes weight files as Keras 2 does."""

import h5py
import numpy as np
import torch


def write_keras(path, layers):
    """Write random dense layers, name -> shape of the kernel, and one without weights; return the tensors by name."""
    random = np.random.default_rng(0)
    written = {}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"input_1", *(name.encode() for name in layers)])
        file.create_group("input_1").attrs["weight_names"] = np.zeros(0)
        for name, shape in layers.items():
            parts = {f"{name}/kernel": shape, f"{name}/bias": shape[-1:]}
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([f"{part}:0".encode() for part in parts])
            for part, size in parts.items():
                group[f"{part}:0"] = random.normal(size=size).astype(np.float32)
                written[part] = torch.from_numpy(group[f"{part}:0"][()])
    return written
