import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from avel.training.randomness import SeedEachBatch
from tests.unit.training.toy import Toy, assert_bitwise, train

pytestmark = pytest.mark.filterwarnings("ignore:Checkpoint directory")

MOMENTS = [
    pytest.param({"every_n_epochs": 1}, 4, id="end of epoch"),
    pytest.param({"every_n_epochs": 1, "save_on_train_epoch_end": False}, 4, id="end of validation"),
    pytest.param({"every_n_train_steps": 3}, 3, id="first epoch"),
    pytest.param({"every_n_train_steps": 3}, 6, id="mid-epoch"),
    pytest.param({"every_n_train_steps": 4}, 8, id="last step of an epoch"),
]


def run(folder, when=None, seed=7, **options):
    checkpoint = ModelCheckpoint(folder, filename="{step}", save_top_k=-1, enable_version_counter=False, **(when or {}))
    return train(folder, SeedEachBatch(seed), checkpoint, epochs=3, **options)[0].history


@pytest.mark.parametrize(("when", "step"), MOMENTS)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_draws_what_the_whole_run_drew(tmp_path, when, step, workers):
    torch.manual_seed(0)
    whole = run(tmp_path, when, workers=workers)
    torch.manual_seed(1)
    resumed = run(tmp_path, when, workers=workers, resume=tmp_path / f"step={step}.ckpt")
    assert len(whole) == 12
    assert_bitwise(resumed, whole[step:])


def test_a_resumed_run_that_accumulates_gradients(tmp_path):
    when = {"every_n_train_steps": 3}
    whole = run(tmp_path, when, accumulate_grad_batches=2)
    resumed = run(tmp_path, when, accumulate_grad_batches=2, resume=tmp_path / "step=3.ckpt")
    assert_bitwise(resumed, whole[6:])


def test_the_seed_decides(tmp_path):
    first, again, other = (run(tmp_path / str(i), seed=seed)[-1] for i, seed in enumerate((7, 7, 8)))
    assert_bitwise(first, again)
    assert not torch.equal(first["layers.0.weight"], other["layers.0.weight"])


class Drawing(Toy):
    """Notes the first random number of every batch."""

    numbers = ()

    def on_train_batch_start(self, batch, batch_idx):
        self.numbers += (torch.rand(()).item(),)


def test_every_batch_draws_its_own_numbers(tmp_path):
    module, _ = train(tmp_path, SeedEachBatch(0), module=Drawing(), accumulate_grad_batches=2)
    assert len(set(module.numbers)) == 8
