import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from avel.training.averaging import ExponentialMovingAverage
from tests.unit.training.toy import ResumableLoader, Toy, assert_bitwise, train, weights

pytestmark = pytest.mark.filterwarnings("ignore:Checkpoint directory")


class NoDropout(Callback):
    """Takes the randomness out, so that only the weights decide."""

    def on_fit_start(self, trainer, pl_module):
        pl_module.layers[1].p = 0.0


def saving(folder, **when):
    return ModelCheckpoint(folder, filename="{step}", save_top_k=-1, enable_version_counter=False, **when)


def averages(history, decay, warmup=True, start=None):
    """The recursion, written down: the average after every update of parameters; buffers as they are."""
    average, results = start or weights(Toy()), []
    for n, current in enumerate(history, start=1):
        share = min(decay, (1 + n) / (10 + n)) if warmup else decay
        average = {
            name: current[name] if name == "seen" else share * average[name] + (1 - share) * current[name]
            for name in current
        }
        results.append(average)
    return results


@pytest.mark.parametrize(("decay", "warmup"), [(0.9, False), (0.999, True), (0.3, True)])
def test_follows_the_recursion_from_the_initial_weights(tmp_path, decay, warmup):
    module, _ = train(tmp_path, ExponentialMovingAverage(decay, warmup))
    expected = averages(module.history, decay, warmup)[-1]
    torch.testing.assert_close(weights(module), expected)
    assert not torch.equal(module.layers[0].weight, module.history[-1]["layers.0.weight"])


def test_updates_after_optimizer_steps_only(tmp_path):
    module, trainer = train(tmp_path, ExponentialMovingAverage(0.9), accumulate_grad_batches=3)
    # four batches an epoch: steps after the third and, at the epoch's end, after the fourth
    steps = [module.history[i] for i in (2, 3, 6, 7)]
    assert trainer.global_step == len(steps)
    torch.testing.assert_close(weights(module), averages(steps, 0.9)[-1])


def test_does_not_update_after_an_empty_batch(tmp_path):
    class Resting(ResumableLoader):
        """Empties every second batch."""

        def __iter__(self):
            for index, batch in enumerate(super().__iter__()):
                yield batch[: 0 if index % 2 else None]

    class Skipping(Toy):
        def training_step(self, batch, batch_idx):
            return super().training_step(batch, batch_idx) if len(batch) else None

    module, _ = train(tmp_path, ExponentialMovingAverage(0.9), module=Skipping(), loader=Resting())
    torch.testing.assert_close(weights(module), averages(module.history[::2], 0.9)[-1])


@pytest.mark.parametrize("validate", ["averaged", "raw"])
def test_validation_sees_the_chosen_weights(tmp_path, validate):
    module, _ = train(tmp_path, ExponentialMovingAverage(0.9, validate=validate), num_sanity_val_steps=0)
    seen = averages(module.history, 0.9) if validate == "averaged" else module.history
    torch.testing.assert_close(module.validated[::4], [seen[3], seen[7]])


def test_checkpoint_opens_safely_and_holds_the_averaged_weights(tmp_path):
    module, trainer = train(tmp_path, ExponentialMovingAverage(0.9))
    checkpoint = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=True)
    assert_bitwise(dict(checkpoint["state_dict"]), weights(module))
    assert_bitwise(dict(checkpoint["current_model_state"]), module.history[-1])


@pytest.mark.parametrize(("when", "step"), [({"every_n_epochs": 1}, 4), ({"every_n_train_steps": 3}, 6)])
@pytest.mark.parametrize("validate", ["averaged", "raw"])
def test_resuming_continues_raw_and_averaged_weights_bitwise(tmp_path, when, step, validate):
    def callbacks():
        return ExponentialMovingAverage(validate=validate), saving(tmp_path, **when), NoDropout()

    whole, _ = train(tmp_path, *callbacks(), epochs=3)
    resumed, _ = train(tmp_path, *callbacks(), epochs=3, resume=tmp_path / f"step={step}.ckpt")
    assert_bitwise(resumed.history, whole.history[step:])
    assert_bitwise(weights(resumed), weights(whole))


def test_a_checkpoint_of_the_end_of_training_resumes_from_the_raw_weights(tmp_path):
    def callbacks():
        last = ModelCheckpoint(tmp_path, save_last=True, every_n_train_steps=1000)
        return ExponentialMovingAverage(), last, NoDropout()

    short, _ = train(tmp_path, *callbacks(), epochs=1)
    resumed, _ = train(tmp_path, *callbacks(), epochs=2, resume=tmp_path / "last.ckpt")
    whole, _ = train(tmp_path, *callbacks(), epochs=2)
    assert_bitwise(resumed.history, whole.history[4:])


@pytest.mark.parametrize("stage", ["test", "validate"])
def test_evaluating_a_checkpoint_after_training_uses_its_averaged_weights(tmp_path, stage):
    module, trainer = train(tmp_path, ExponentialMovingAverage(), saving(tmp_path, every_n_epochs=1))
    first = tmp_path / "step=4.ckpt"
    module.validated.clear()
    getattr(trainer, stage)(module, ResumableLoader(), ckpt_path=first, verbose=False)
    assert_bitwise(module.validated[0], dict(torch.load(first, weights_only=True)["state_dict"]))


def test_training_can_start_from_a_checkpoint_without_average(tmp_path):
    plain, _ = train(tmp_path, saving(tmp_path, every_n_epochs=1), epochs=1)
    module, _ = train(tmp_path, ExponentialMovingAverage(), saving(tmp_path), resume=tmp_path / "step=4.ckpt")
    assert len(module.history) == 4
    torch.testing.assert_close(weights(module), averages(module.history, 0.999, start=weights(plain))[-1])
