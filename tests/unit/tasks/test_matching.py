import pytest
import torch
from lightning import seed_everything
from torch import nn
from torch.testing import assert_close

from avel.batch import collate_clips
from avel.losses.contrastive import contrastive_loss, pair_distance
from avel.tasks.matching import MatchingLocalizer
from avel.training.optim import StepRecipe
from tests.unit.tasks.clips import CLASSES, ClipData, quiet_trainer

SCORES = {"a2v", "v2a", "matching", "a2v_overlap", "v2a_overlap"}


class Toy(MatchingLocalizer):
    """The mean of the map on one side, a linear map of the sound on the other."""

    def __init__(self, *, optimizer: StepRecipe | None = None) -> None:
        super().__init__(CLASSES, optimizer)
        self.save_hyperparameters(logger=False)
        self.audio = nn.Linear(CLASSES, CLASSES)

    def embed(self, batch):
        return 9 * batch.visual.mean(dim=(2, 3)), self.audio(batch.audio)

    def losses(self, batch):
        loss = contrastive_loss(pair_distance(*self.embed(batch)), batch.labels < CLASSES, 2.0)
        return {"contrastive": loss, "decay": 1e-4 * self.audio.weight.square().sum()}


def test_training_is_judged_on_validation_and_test():
    seed_everything(0, verbose=False)
    data, method = ClipData(), Toy(optimizer=StepRecipe(lr=0.03))
    trainer = quiet_trainer(max_epochs=10)
    trainer.fit(method, data)
    assert set(method.results) == {f"val/{name}" for name in SCORES}
    logged = {name: float(value) for name, value in trainer.logged_metrics.items()}
    assert {name: logged[name] for name in method.results} == pytest.approx(method.results)
    assert set(logged) - set(method.results) == {"train/loss", "train/contrastive_loss", "train/decay_loss", "lr"}
    assert logged["train/loss"] == pytest.approx(logged["train/contrastive_loss"] + logged["train/decay_loss"])

    trainer.test(method, data, verbose=False)
    assert set(method.results) == {f"test/{name}" for name in SCORES}
    assert method.results[f"test/{method.monitor}"] == 1, "picture and sound are the same up to a linear map"
    assert len(method.ap[""]) == 0
    labels = {event.label for event in method.predictions}
    assert labels <= {
        f"{query}: {name}" for query in ("audio to visual", "visual to audio") for name in ("dog", "bell")
    }
    assert method.predictions.videos == sorted(data.snippet_labels("test"))


def test_scores_do_not_depend_on_batches():
    results = []
    for batch_size in (1, 4, 9):
        seed_everything(0, verbose=False)
        method = Toy()
        quiet_trainer().test(method, ClipData(batch_size=batch_size), verbose=False)
        results.append(method.results)
    assert results[0] == results[1] == results[2]


@pytest.mark.filterwarnings("ignore:predict returned None")
def test_prediction_collects_events_and_scores_nothing():
    data, method = ClipData(), Toy()
    quiet_trainer().predict(method, data, return_predictions=False)
    assert method.predictions.videos == sorted(data.snippet_labels("test"))
    assert method.results == {}


def test_every_clip_is_searched_by_itself():
    method, clips = Toy(), ClipData().clips["test"]
    together = method.localize(collate_clips(clips))
    assert not together.distances.requires_grad
    for row, clip in enumerate(clips):
        alone = method.localize(collate_clips([clip]))
        for joined, single in zip(together, alone, strict=True):
            assert_close(joined[row : row + 1], single, equal_nan=True)


def test_learns_from_clips_of_one_snippet():
    """Training pairs may be drawn one by one."""
    batch = collate_clips(ClipData().clips["train"])
    single = collate_clips(
        [
            type(clip)(clip.video, clip.visual[t : t + 1], clip.audio[t : t + 1], clip.labels[t : t + 1], 0)
            for clip in ClipData().clips["train"]
            for t in range(len(clip.labels))
        ]
    )
    method = Toy()
    assert_close(method.losses(single), method.losses(batch))
    assert (method.localize(single).labels == CLASSES).all(), "there is nothing to search in"


@pytest.mark.parametrize(("interval", "expected"), [("epoch", [0.5, 0.5, 0.125]), ("step", [0.5, 0.125, 0.125])])
def test_adam_falls_in_steps(interval, expected):
    milestone = {"epoch": 2, "step": 4}[interval]
    method = Toy(optimizer=StepRecipe(lr=0.5, milestones=(milestone,), gamma=0.25, interval=interval, eps=1e-7))
    rates = []
    method.on_train_epoch_start = lambda: rates.append(method.trainer.optimizers[0].param_groups[0]["lr"])
    quiet_trainer(max_epochs=3, limit_val_batches=0).fit(method, ClipData(batch_size=16))
    assert rates == expected
    assert type(method.trainer.optimizers[0]) is torch.optim.Adam
    assert method.trainer.optimizers[0].defaults["eps"] == 1e-7


def test_baselines_are_those_of_the_task():
    assert set(Toy.baselines(ClipData(), "test")) == {"random offset", "always offset 0"}
