"""Callbacks for fault tests: numbers of a training that go wrong."""

import torch
from lightning.pytorch import Callback
from torch import Tensor


class SpoilOutput(Callback):
    """From a step on, one module of a method gives NaN, on one rank or (None) on all."""

    def __init__(self, step: int, module: str, rank: int | None = None) -> None:
        self.step, self.module, self.rank = step, module, rank
        self.begun = False

    def on_train_start(self, trainer, pl_module) -> None:
        if self.rank in (None, trainer.global_rank):  # now: compiled networks do not see what comes later
            pl_module.get_submodule(self.module).register_forward_hook(self.pass_on)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.begun = trainer.global_step >= self.step

    def pass_on(self, module, arguments, output: Tensor) -> Tensor:
        return self.spoil(output) if self.begun else output

    def spoil(self, output: Tensor) -> Tensor:
        return output * torch.nan


class SpoilGradient(SpoilOutput):
    """The same, but what it gives is right and has no derivative."""

    def spoil(self, output: Tensor) -> Tensor:
        return output + (0 * output).sqrt()
