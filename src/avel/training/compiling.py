"""Compiled networks: the steps of a training run faster, and compute the same but for rounding."""

from __future__ import annotations

import os
import shutil
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from avel.errors import UserError

COMPILERS = ("c++", "g++", "clang++", "cl")


class CompiledTraining(Callback):
    """Compiles the network of a method (`torch.compile`) for the steps of its training.

    Shapes are static: training batches are padded to `max_length`, so that the network is compiled once (once per task
    where it has several). Validation runs uncompiled, because lengths differ there; so does all that follows a
    training. Names of weights stay as they are, so that checkpoints of compiled and of other trainings are alike.

    Args:
        backend: of `torch.compile`.
        fullgraph: fail where the network cannot be compiled as a whole (LSTMs cannot) instead of running the rest as it
            is.

    Raises:
        UserError: "inductor" finds no C++ compiler.
    """

    def __init__(self, backend: str = "inductor", *, fullgraph: bool = False) -> None:
        self.backend, self.fullgraph = backend, fullgraph
        if backend == "inductor":
            check_compiler()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask for batches of one shape and compile, which happens with the first of them (called by the trainer)."""
        method: Any = pl_module
        method.static_shapes = True
        network = getattr(method, method.network)
        self._compiled = torch.compile(network, backend=self.backend, fullgraph=self.fullgraph, dynamic=False)
        self._take(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the network itself in place (called by the trainer)."""
        self._give_back(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the compiled network in place again (called by the trainer)."""
        if trainer.state.fn == "fit":
            self._take(pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the method as it was (called by the trainer)."""
        self._give_back(pl_module)
        method: Any = pl_module
        method.static_shapes = False

    def _take(self, method: LightningModule) -> None:
        setattr(method, str(method.network), self._compiled)

    def _give_back(self, method: LightningModule) -> None:
        vars(method).pop(str(method.network), None)  # the class has it still


def check_compiler() -> None:
    """Refuse to go on where PyTorch could not build its kernels.

    Raises:
        UserError: there is no C++ compiler.
    """
    if not any(shutil.which(name) for name in filter(None, (os.environ.get("CXX"), *COMPILERS))):
        raise UserError(
            "method.compile=true: PyTorch builds its kernels with a C++ compiler, and there is none: install g++ (or"
            " say by the environment variable CXX where one is), or leave method.compile=false"
        )
