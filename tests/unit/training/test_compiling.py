import shutil

import pytest
import torch
from lightning.pytorch import Trainer
from torch._dynamo.utils import counters
from torch.testing import assert_close

from avel.errors import UserError
from avel.methods.avdln import AVDLN
from avel.training.compiling import CompiledTraining
from tests.stored import StoredBatches
from tests.unit.methods import test_actionformer, test_uniav
from tests.unit.methods.clips import random_clips

METHODS = {
    "dense": (lambda: test_actionformer.narrow("conv"), [test_uniav.batch("", 20, 9), test_uniav.batch("", 32, 3)]),
    "clips": (lambda: AVDLN(num_classes=3, visual_dim=6, audio_dim=4), [random_clips(), random_clips(seed=1)]),
}


def fit(kind, *callbacks):
    build, batches = METHODS[kind]
    torch.manual_seed(0)
    method = build()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_val_batches=0,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(method, StoredBatches(*batches))
    return method


@pytest.fixture
def afresh():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def check(kind, callback):
    plain, compiled = fit(kind), fit(kind, callback)
    assert_close(compiled.state_dict(), plain.state_dict(), rtol=1e-4, atol=1e-6)
    assert counters["stats"]["unique_graphs"] == 1, "the network is compiled once, as a whole"
    assert not {"forward", "embed", "static_shapes"} & {name for name, value in vars(compiled).items() if value}


@pytest.mark.parametrize("kind", METHODS)
def test_a_compiled_training_learns_the_same(kind, afresh):
    check(kind, CompiledTraining("eager", fullgraph=True))


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="there is no C++ compiler")
@pytest.mark.parametrize("kind", METHODS)
def test_a_training_compiled_to_kernels_learns_the_same(kind, afresh):
    check(kind, CompiledTraining())


def test_without_a_compiler_there_is_a_message(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="install g\\+\\+"):
        CompiledTraining()


def test_validation_sees_the_network_itself():
    callback, method = CompiledTraining("eager"), METHODS["clips"][0]()
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.state.fn = "fit"
    callback.on_fit_start(trainer, method)
    assert "embed" in vars(method)
    callback.on_validation_start(trainer, method)
    assert "embed" not in vars(method)
    callback.on_validation_end(trainer, method)
    assert "embed" in vars(method)
    callback.on_fit_end(trainer, method)
    assert "embed" not in vars(method)
