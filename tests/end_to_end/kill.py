"""A callback for one test: the process dies as it does when the power fails."""

import os
import signal
from pathlib import Path

from lightning.pytorch import Callback

from avel.errors import UserError


class KillAtStep(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


class InterruptAtStep(KillAtStep):
    """What Ctrl-C does."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == self.step:
            raise KeyboardInterrupt


class AskAtStep(KillAtStep):
    """What a machine does that will be taken away."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


class KillInRun(KillAtStep):
    """Kills the run that is the so-and-so-many-th of all that begin to train; the lines of `log` count them."""

    def __init__(self, step: int, run: int, log: str) -> None:
        super().__init__(step)
        self.number, self.began = run, Path(log)  # trainers give callbacks a `log`

    def on_train_start(self, trainer, pl_module) -> None:
        with self.began.open("a") as file:
            print(trainer.default_root_dir, trainer.global_step, file=file)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if len(self.began.read_text().splitlines()) == self.number:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


class FailOnRank(Callback):
    """What a file does that only one process reads and that is damaged."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.global_rank == self.rank:
            raise UserError("a.npy: is damaged")
