import pytest
import torch
from lightning import Callback

from avel.batch import collate_clips
from avel.events import EventTable
from avel.training.optim import StepRecipe
from tests.unit.tasks.clips import ClipData, Toy, quiet_trainer


@pytest.mark.parametrize("split", ["validation", "test"])
def test_validation_judges_the_split_that_selects(split):
    method = Toy()
    quiet_trainer().validate(method, ClipData(selection_split=split), verbose=False)
    assert method.evaluations[""].dense.split == split
    assert all(video.startswith(split) for video in method.predictions.videos)
    assert {name.partition("/")[0] for name in method.results} == {"val"}


@pytest.mark.filterwarnings("ignore:predict returned None")
def test_prediction_collects_events_and_scores_nothing():
    data, method = ClipData(), Toy()
    assert method.predictions == EventTable()
    quiet_trainer().predict(method, data, return_predictions=False)
    assert method.predictions.videos == sorted(data.targets("test"))
    assert method.results == {}


@pytest.mark.parametrize("clip_norm", [None, 1e-3])
def test_gradients_are_clipped_as_the_recipe_says(clip_norm):
    norms = []

    class Norms(Callback):
        def on_before_zero_grad(self, trainer, module, optimizer):
            gradients = [p.grad.flatten() for p in module.parameters() if p.grad is not None]
            norms.extend([float(torch.cat(gradients).norm())] if gradients else [])

    method = Toy(optimizer=StepRecipe(lr=1e-6, clip_norm=clip_norm))
    quiet_trainer(max_steps=4, callbacks=[Norms()], limit_val_batches=0).fit(method, ClipData())
    assert len(norms) == 3
    assert norms == pytest.approx([1e-3] * 3, rel=1e-3) if clip_norm else min(norms) > 0.1


def test_a_checkpoint_says_in_plain_values_what_the_method_is():
    checkpoint = {}
    Toy(optimizer=StepRecipe(milestones=(3,))).on_save_checkpoint(checkpoint)
    assert checkpoint["method"] == "tests.unit.tasks.clips.Toy"
    assert checkpoint["hyper_parameters"]["optimizer"]["milestones"] == (3,)


def test_a_resumed_training_goes_on_by_the_recipe_of_its_own(tmp_path):
    short = {"limit_val_batches": 0, "limit_train_batches": 4}
    begun = quiet_trainer(max_epochs=1, **short)
    begun.fit(Toy(optimizer=StepRecipe(lr=0.1, milestones=(5,), interval="step")), ClipData())
    begun.save_checkpoint(tmp_path / "last.ckpt")
    recipe = StepRecipe(lr=0.4, milestones=(3, 6), gamma=0.5, interval="step", eps=1e-3)
    resumed = quiet_trainer(max_epochs=2, **short)
    resumed.fit(Toy(optimizer=recipe), ClipData(), ckpt_path=tmp_path / "last.ckpt")
    (group,) = resumed.optimizers[0].param_groups
    assert (group["lr"], group["initial_lr"], group["eps"]) == (pytest.approx(0.1), 0.4, 1e-3)


def test_what_is_localized_outside_of_an_evaluation_is_not_kept():
    data, method = ClipData(), Toy()
    method.validation_step(collate_clips(data.clips["test"]), 0)
    assert method.predictions == EventTable()
