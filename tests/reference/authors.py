"""Files in the layouts of the papers' codes, with the weights of a reference case."""

import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import torch
from torch import Tensor, nn

CLASSES = {
    "AV_att": ("models", "att_Net"),
    "W-AV-att": ("models_weakly", "att_Net"),
    "DMRN": ("models_fusion", "TBMRF_Net"),
    "PSP-full": ("fully_model", "psp_net"),
    "PSP-weak": ("weakly_model", "psp_net"),
}
"""Module and class that the codes of AVE pickle."""


def write_training_state(path: Path, weights: Mapping[str, Tensor]) -> None:
    """As the dense codes save: averaged weights beside others, each name with the prefix of DataParallel."""
    wrapped = {f"module.{name}": tensor for name, tensor in weights.items()}
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(2))])
    state = {
        "epoch": 7,
        "state_dict": {name: tensor + 1 for name, tensor in wrapped.items()},
        "state_dict_ema": wrapped,
        "scheduler": {"last_epoch": 7, "base_lrs": [1e-4]},
        "optimizer": optimizer.state_dict(),
    }
    torch.save(state, path)


def write_module(path: Path, weights: Mapping[str, Tensor], place: tuple[str, str], *, legacy: bool) -> None:
    """As the codes of AVE save: the module itself, which names its class, as PyTorch before 1.6 wrote it or since."""
    with historical(*place) as kind, warnings.catch_warnings(action="ignore"):  # a class without source code
        torch.save(grown(kind, weights), path, _use_new_zipfile_serialization=not legacy)


@contextmanager
def historical(module: str, name: str) -> Iterator[type[nn.Module]]:
    """A class that pickles find under this path, as long as the block lasts."""
    kind = type(name, (nn.Module,), {"__module__": module, "__qualname__": name})
    there = sys.modules.get(module)
    sys.modules[module] = ModuleType(module)
    setattr(sys.modules[module], name, kind)
    try:
        yield kind
    finally:
        del sys.modules[module]
        if there:
            sys.modules[module] = there


def grown(kind: type[nn.Module], weights: Mapping[str, Tensor]) -> nn.Module:
    """A tree of modules that has weights under these names."""
    root = kind()
    root.relu, root.dropout = nn.ReLU(), nn.Dropout(0.1)
    for name, tensor in weights.items():
        *parents, last = name.split(".")
        module = root
        for parent in parents:
            if parent not in module._modules:
                module.add_module(parent, nn.Module())
            module = module._modules[parent]
        module.register_parameter(last, nn.Parameter(tensor))
    return root


def write_keras(path: Path, weights: Mapping[str, Tensor]) -> None:
    """As Keras 2 saves weights."""
    layers = list(dict.fromkeys(name.partition("/")[0] for name in weights))
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"input_1", *map(str.encode, layers)])
        file.create_group("input_1").attrs["weight_names"] = np.zeros(0)
        for layer in layers:
            own = [name for name in weights if name.startswith(f"{layer}/")]
            file.create_group(layer).attrs["weight_names"] = np.array([f"{name}:0".encode() for name in own])
            for name in own:
                file[f"{layer}/{name}:0"] = weights[name].numpy()
