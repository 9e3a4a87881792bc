import os
import signal

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.strategies import SingleDeviceStrategy

from avel.training.checkpointing import LastCheckpoint
from avel.training.console import stoppable
from avel.training.signals import RunEnded, requeue
from tests.unit.training.scored import Scored
from tests.unit.training.toy import BATCHES, train


class Send(Callback):
    """The machine's signal, as it comes in the middle of something."""

    def __init__(self, signum, step=-1, *, in_validation=False):
        self.signum, self.step, self.in_validation = signum, step, in_validation

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        if trainer.global_step + 1 == self.step:
            os.kill(os.getpid(), self.signum)

    def on_validation_start(self, trainer, pl_module):
        if self.in_validation:
            os.kill(os.getpid(), self.signum)


def step_of(folder):
    return torch.load(folder / "last.ckpt", weights_only=True)["global_step"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_the_step_is_finished_and_saved(tmp_path, signum):
    before = signal.getsignal(signum)
    with pytest.raises(RunEnded) as ended:
        train(tmp_path, LastCheckpoint(tmp_path), Send(signum, step=2), epochs=3)
    assert step_of(tmp_path) == 2
    assert (ended.value.signum, ended.value.code) == (signum, 128 + signum)
    assert signal.getsignal(signum) == before


class TwoRanks(SingleDeviceStrategy):
    """One of two, and the other one has nothing to say."""

    def __init__(self):
        super().__init__("cpu")
        self.world_size, self.asked = 2, []

    def reduce_boolean_decision(self, decision, all=True):
        self.asked.append((self.lightning_module.trainer.global_step, decision))
        return decision


def test_several_ranks_ask_each_other_now_and_then(tmp_path):
    ranks = TwoRanks()
    last = LastCheckpoint(tmp_path, agree_every_n_steps=3)
    options = {"strategy": ranks, "use_distributed_sampler": False}
    with pytest.raises(RunEnded):
        train(tmp_path, last, Send(signal.SIGTERM, step=BATCHES + 1), epochs=3, **options)
    assert ranks.asked == [(3, False), (BATCHES, False), (6, True)]
    assert step_of(tmp_path) == 6


def test_gradients_of_several_batches_are_finished_too(tmp_path):
    class First(Send):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if batch_idx == 0:
                os.kill(os.getpid(), self.signum)

    with pytest.raises(RunEnded):
        train(tmp_path, LastCheckpoint(tmp_path), First(signal.SIGTERM), epochs=3, accumulate_grad_batches=2)
    assert step_of(tmp_path) == 1


@pytest.mark.parametrize("sender", [Send(signal.SIGTERM, step=BATCHES), Send(signal.SIGTERM, in_validation=True)])
def test_at_the_end_of_an_epoch_it_is_validated_first(tmp_path, sender):
    module = Scored([0.1, 0.2, 0.3])
    with pytest.raises(RunEnded):
        train(tmp_path, LastCheckpoint(tmp_path), sender, epochs=3, module=module, num_sanity_val_steps=0)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert (checkpoint["global_step"], module.trainer.callback_metrics["val/map"]) == (BATCHES, pytest.approx(0.1))


def test_who_had_the_signal_before_is_told_afterwards(tmp_path):
    """As submitit, which queues its job again."""
    told = []
    before = signal.signal(signal.SIGUSR2, lambda signum, frame: told.append(signum))
    try:
        with pytest.raises(RunEnded) as ended:
            train(tmp_path, LastCheckpoint(tmp_path), Send(signal.SIGUSR2, step=1), epochs=1)
        assert told == []
        ended.value.hand_on()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert told == [signal.SIGUSR2]


def test_a_handler_of_sigterm_keeps_it(tmp_path):
    """As submitit's, which waits for the other signal."""
    told = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: told.append(signum))
    try:
        train(tmp_path, LastCheckpoint(tmp_path), Send(signal.SIGTERM, step=1), epochs=1)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == [signal.SIGTERM]


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """A Slurm that notes what it is asked for."""
    program, asked = tmp_path / "bin" / "scontrol", tmp_path / "asked"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return asked


def end(signum, folder, resume):
    _, trainer = train(folder, epochs=0)
    with pytest.raises(RunEnded), stoppable(trainer, folder, resume):
        raise RunEnded(signum, lambda: None)


def test_slurm_queues_a_run_again_that_finds_its_folder(scontrol, tmp_path, capsys):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    end(signal.SIGUSR1, tmp_path, "auto")
    assert scontrol.read_text() == "requeue 7\n"
    assert "SIGUSR1: the same command goes on" in capsys.readouterr().out
    end(signal.SIGTERM, tmp_path, "restart")
    assert "SIGTERM: go on with the same command and resume=auto" in capsys.readouterr().out


def test_slurm_does_not_queue_again_what_would_begin_anew_or_is_cancelled(scontrol, tmp_path, capsys):
    end(signal.SIGUSR1, tmp_path, None)
    assert "resume=auto" in capsys.readouterr().out
    end(signal.SIGTERM, tmp_path, "auto")
    assert not scontrol.exists()


def test_jobs_of_an_array_have_two_numbers(scontrol, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "5")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert requeue()
    assert scontrol.read_text() == "requeue 5_2\n"


def test_outside_of_slurm_nothing_is_queued(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert not requeue()
