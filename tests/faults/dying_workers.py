"""Callbacks for fault tests: processes that read ahead come to grief."""

import os
import signal
import subprocess

from lightning.pytorch import Callback
from torch.utils.data import Dataset

FULL = OSError("No space left on device: '/torch_1_2'")


class WorkerFault(Callback):
    """Something happens in every process that reads a split.

    Args:
        split: "train" and so on.
        fault: name of a signal that the process gets, or "OSError", which it raises.
        rank: whose processes; None for those of all.
        task: of which set, where there are several.
    """

    def __init__(self, split: str, fault: str, rank: int | None = None, task: str = "") -> None:
        self.split, self.fault, self.rank, self.task = split, fault, rank, task

    def setup(self, trainer, pl_module, stage) -> None:
        if self.rank not in (None, trainer.global_rank):
            return
        data, split, fault = trainer.datamodule.by_task()[self.task], self.split, self.fault
        make = data.dataset

        def dataset(name, *, training):
            made = make(name, training=training)
            return Faulty(made, fault) if name == split else made

        data.dataset = dataset


class KillInValidation(Callback):
    """A process that reads training videos dies while the validation goes on: nobody waits for it then."""

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0) -> None:
        worker = trainer.train_dataloader._iterator._workers[0]
        os.kill(worker.pid, signal.SIGKILL)
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # it is left to PyTorch to find it dead


class AskEveryProcess(Callback):
    """What `timeout`, torchrun and schedulers do: a signal for all processes of a run, from outside.

    Args:
        step: of the training, after which it comes; None: in the test.
        name: of the signal.
    """

    def __init__(self, step: int | None, name: str = "SIGTERM") -> None:
        self.step, self.name = step, name

    def setup(self, trainer, pl_module, stage) -> None:
        os.setpgid(0, 0)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == self.step:
            self.ask()

    def on_test_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0) -> None:
        if self.step is None:
            self.ask()

    def ask(self) -> None:
        command = f"kill -{signal.Signals[self.name].value} -{os.getpgrp()}"
        subprocess.run(command, shell=True, start_new_session=True)


class Faulty(Dataset):
    """A data set that cannot be read by other processes than this one."""

    def __init__(self, whole: Dataset, fault: str) -> None:
        self.whole, self.fault, self.main = whole, fault, os.getpid()

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, key):
        if os.getpid() != self.main:
            if self.fault in signal.Signals.__members__:
                os.kill(os.getpid(), signal.Signals[self.fault])
            raise FULL
        return self.whole[key]
