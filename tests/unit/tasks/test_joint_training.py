"""Several tasks trained by turns, one of them at rest: a real training of UniAV, alone and in two processes."""

import copy

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.strategies import DDPStrategy

from avel.data.multitask import MultitaskDataModule
from avel.training.averaging import ExponentialMovingAverage
from tests.stored import StoredBatches
from tests.unit.methods.test_uniav import batch, narrow
from tests.unit.training.toy import assert_bitwise


class SoundsRest(Callback):
    """Lets a task rest in every second round; notes what every batch changed."""

    def __init__(self):
        self.batches = []

    def on_train_start(self, trainer, method):
        trainer.datamodule.rest(["sounds"], every=2)

    def on_train_batch_start(self, trainer, method, batch, _):
        self.before = copy.deepcopy((method.state_dict(), trainer.optimizers[0].state_dict()["state"]))

    def on_train_batch_end(self, trainer, method, outputs, batch, _):
        weights, moments = self.before
        self.batches.append((batch.task, len(batch)))
        if not len(batch):
            assert_bitwise((method.state_dict(), trainer.optimizers[0].state_dict()["state"]), (weights, moments))
        else:
            changed = {name for name, value in method.state_dict().items() if not torch.equal(value, weights[name])}
            assert f"criterion.{batch.task}.normalizer" in changed


class RanksAgree(Callback):
    """Compares the ranks after every batch: the weights that were trained, and those that were averaged."""

    def on_train_batch_end(self, trainer, method, *_):
        mine = torch.cat([value.flatten() for value in method.state_dict().values()])
        first, second = method.all_gather(mine)
        assert torch.equal(first, second)

    def on_fit_end(self, trainer, method):
        self.on_train_batch_end(trainer, method)


def fit(*callbacks, **options):
    method = narrow()
    sets = {
        "actions": StoredBatches(batch("actions", 20, 9), batch("actions", 32)),
        "sounds": StoredBatches(batch("sounds", 16, 9), batch("sounds", 11)),
    }
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        limit_val_batches=0,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(method, MultitaskDataModule(sets, rounds=2))
    return method, trainer


def half_precision():
    return MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))


@pytest.mark.parametrize("plugins", [list, lambda: [half_precision()]], ids=["single precision", "half precision"])
def test_an_empty_batch_makes_no_step(plugins):
    rests = SoundsRest()
    _, trainer = fit(rests, plugins=plugins())
    assert rests.batches == [("actions", 2), ("sounds", 2), ("actions", 1), ("sounds", 0)] * 2
    assert trainer.global_step == len(rests.batches), "schedules and checkpoints count it all the same"


@pytest.mark.slow
def test_two_processes_train_and_rest_together():
    strategy = DDPStrategy(
        process_group_backend="gloo", start_method="spawn", find_unused_parameters=True, broadcast_buffers=False
    )
    # callbacks live in the processes, whose errors come back
    method, _ = fit(SoundsRest(), ExponentialMovingAverage(0.9), RanksAgree(), devices=2, strategy=strategy)
    before = narrow().state_dict()
    changed = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    for task in method.tasks:
        assert any(f".{task}." in name for name in changed)
