import pytest
import torch
from lightning import Callback, seed_everything

from avel.batch import collate_clips
from avel.training.optim import StepRecipe
from tests.unit.tasks.clips import ClipData, Toy, quiet_trainer

SCORES = {"accuracy", "accuracy_partial", "event_background", "event_f1", "pointing", "map", "map@0.50", "map@0.90"}


def test_training_is_judged_on_validation_and_test():
    seed_everything(0, verbose=False)
    data, method = ClipData(), Toy()
    trainer = quiet_trainer(max_epochs=3)
    trainer.fit(method, data)
    assert set(method.results) == {f"val/{name}" for name in SCORES}
    logged = {name: float(value) for name, value in trainer.logged_metrics.items()}
    assert {name: logged[name] for name in method.results} == pytest.approx(method.results)
    assert set(logged) - set(method.results) == {"train/loss", "train/classification_loss", "train/decay_loss", "lr"}
    assert logged["train/loss"] == pytest.approx(logged["train/classification_loss"] + logged["train/decay_loss"])

    trainer.test(method, data, verbose=False)
    assert set(method.results) == {f"test/{name}" for name in SCORES}
    assert method.results["test/accuracy"] > 0.95
    assert method.results["test/event_f1"] > 0.9
    assert method.results["test/map"] > 0.9
    assert method.results["test/pointing"] == 1
    assert method.ap[""].shape == (2, 2)


def test_scores_do_not_depend_on_batches():
    results = []
    for batch_size in (1, 4, 9):
        seed_everything(0, verbose=False)
        method = Toy()
        quiet_trainer().test(method, ClipData(batch_size=batch_size), verbose=False)
        results.append(method.results)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    ("interval", "expected"),
    [("epoch", [0.5] * 8 + [0.125] * 4 + [0.03125] * 4), ("step", [0.5] * 2 + [0.125] + [0.03125] * 13)],
)
def test_the_learning_rate_falls_after_epochs_or_steps(interval, expected):
    method = Toy(optimizer=StepRecipe(lr=0.5, milestones=(2, 3), gamma=0.25, interval=interval))
    rates = []

    class Rates(Callback):
        def on_train_batch_start(self, trainer, *_):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    data = ClipData(batch_size=16)
    quiet_trainer(max_epochs=4, callbacks=[Rates()], num_sanity_val_steps=0).fit(method, data)
    assert rates == expected


def test_deciding_needs_no_gradient():
    method = Toy()
    assert not method.localize(collate_clips(ClipData().clips["test"])).scores.requires_grad


def test_baselines_are_those_of_the_task():
    assert set(Toy.baselines(ClipData(), "test")) == {"all background", "true class everywhere"}


def test_a_method_without_a_recipe_has_one():
    assert Toy(optimizer=None).recipe.lr == 0.1
    assert torch.optim.Adam is type(Toy().configure_optimizers()["optimizer"])
