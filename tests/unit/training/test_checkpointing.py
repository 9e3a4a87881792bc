import math

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from avel.errors import UserError
from avel.training.checkpoint_files import best_checkpoint
from avel.training.checkpointing import BestCheckpoint, LastCheckpoint, WholeFileIO
from tests.unit.training.scored import fit
from tests.unit.training.toy import BATCHES, train


def fit_in(folder, *callbacks, scores, resume=None):
    best = BestCheckpoint(folder / "checkpoints", monitor="val/map")
    fit(best, LastCheckpoint(folder / "checkpoints"), *callbacks, scores=scores, resume=resume)
    return best


class EveryStep(LastCheckpoint):
    """Keeps every `last.ckpt` as step=N.ckpt."""

    def __init__(self, folder):
        super().__init__(folder / "checkpoints", 1)

    def _save(self, trainer):
        self.path = self.path.with_name(f"step={trainer.global_step}.ckpt")
        super()._save(trainer)


def epoch_of(path):
    return torch.load(path, weights_only=True)["epoch"]


def test_best_checkpoint_has_the_highest_score(tmp_path):
    best = fit_in(tmp_path, scores=[0.1, 0.3, 0.2])
    assert epoch_of(best.path) == 1
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


@pytest.mark.parametrize(("scores", "best"), [([math.nan, 0.1, math.nan], 1), ([0.2, math.nan, 0.1], 0)])
def test_a_score_that_is_no_number_is_never_the_best(tmp_path, scores, best):
    assert epoch_of(fit_in(tmp_path, scores=scores).path) == best


def test_without_any_score_there_is_no_best(tmp_path):
    best = fit_in(tmp_path, scores=[math.nan])
    assert not best.path.exists()
    assert best.best_model_score is None


def test_the_method_says_what_it_is_judged_by(tmp_path):
    best = BestCheckpoint(tmp_path / "checkpoints")
    fit(best, scores=[0.1, 0.3, 0.2])
    assert (best.monitor, epoch_of(best.path)) == ("val/map", 1)


def test_the_last_validated_epoch_can_be_kept(tmp_path):
    best = BestCheckpoint(tmp_path / "checkpoints", monitor="epoch")
    fit(best, scores=[0.1, 0.3, 0.2])
    assert epoch_of(best.path) == 2


def test_a_score_that_validation_does_not_give_is_refused(tmp_path):
    best = BestCheckpoint(tmp_path / "checkpoints", monitor="maap")
    with pytest.raises(UserError, match=r"protocol\.monitor=maap: validation gives no such score\. Known are map$"):
        fit(best, scores=[0.1])


def test_a_worse_epoch_does_not_win_in_the_folder_of_a_resumed_run(tmp_path):
    fit_in(tmp_path / "a", scores=[0.1, 0.3])
    best = fit_in(tmp_path / "b", scores=[0.1, 0.3, 0.2], resume=tmp_path / "a/checkpoints/last.ckpt")
    assert best.path.parent.parent == tmp_path / "b"
    assert epoch_of(best.path) == 1
    assert best.best_model_score == pytest.approx(0.3)


def test_a_better_epoch_wins_in_the_folder_of_a_resumed_run(tmp_path):
    fit_in(tmp_path / "a", scores=[0.1, 0.3])
    best = fit_in(tmp_path / "b", scores=[0.1, 0.3, 0.4], resume=tmp_path / "a/checkpoints/last.ckpt")
    assert epoch_of(best.path) == 2
    assert epoch_of(tmp_path / "a/checkpoints/best.ckpt") == 1


def test_without_the_old_best_file_the_search_begins_anew(tmp_path):
    old = fit_in(tmp_path / "a", scores=[0.1, 0.3])
    old.path.unlink()
    best = fit_in(tmp_path / "b", scores=[0.1, 0.3, 0.2], resume=tmp_path / "a/checkpoints/last.ckpt")
    assert epoch_of(best.path) == 2


@pytest.mark.parametrize("where", ["another folder", "the same folder"])
@pytest.mark.parametrize("step", range(1, 3 * BATCHES + 1))
def test_a_run_killed_at_any_step_finds_the_same_best(tmp_path, step, where):
    scores = [0.1, 0.3, 0.2]
    whole = fit_in(tmp_path / "a", EveryStep(tmp_path / "a"), scores=scores)
    folder = tmp_path / ("a" if where == "the same folder" else "b")
    best = fit_in(folder, scores=scores, resume=tmp_path / f"a/checkpoints/step={step}.ckpt")
    assert epoch_of(whole.path) == epoch_of(best.path) == 1
    assert best.best_model_score == pytest.approx(0.3)
    assert best.best_model_path == str(best.path)


def test_a_best_file_that_is_newer_than_the_resumed_checkpoint_does_not_come_along(tmp_path):
    fit_in(tmp_path / "a", EveryStep(tmp_path / "a"), scores=[0.1, 0.3])
    best = fit_in(tmp_path / "b", scores=[0.1, 0.2], resume=tmp_path / f"a/checkpoints/step={BATCHES + 1}.ckpt")
    assert best.best_model_score == pytest.approx(0.2)


class Noted(Callback):
    """Notes the steps of the checkpoints that are there at the beginning of every epoch."""

    def __init__(self, folder):
        self.folder, self.noted = folder, []

    def on_train_epoch_start(self, trainer, pl_module):
        steps = {path.name: torch.load(path, weights_only=True)["global_step"] for path in self.folder.glob("*.ckpt")}
        self.noted.append(steps)


@pytest.mark.parametrize(("keep", "kept"), [(True, {"previous.ckpt": BATCHES}), (False, {})])
def test_the_checkpoint_before_the_last_is_kept_while_the_training_goes_on(tmp_path, keep, kept):
    noted = Noted(tmp_path)
    fit(LastCheckpoint(tmp_path, keep_previous=keep), noted, scores=[0.1, 0.2, 0.3])
    assert noted.noted == [{}, {"last.ckpt": BATCHES}, {"last.ckpt": 2 * BATCHES} | kept]
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_run_with_nothing_left_to_train_leaves_the_last_alone(tmp_path):
    fit(LastCheckpoint(tmp_path), scores=[0.1])
    (tmp_path / "previous.ckpt").touch()  # of a run that was killed after its last epoch
    fit(LastCheckpoint(tmp_path), scores=[0.1], resume=tmp_path / "last.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_damaged_best_checkpoint_does_not_come_along(tmp_path, caplog):
    old = fit_in(tmp_path / "a", scores=[0.1, 0.3])
    old.path.write_bytes(old.path.read_bytes()[:-100])
    best = fit_in(tmp_path / "b", scores=[0.1, 0.3, 0.2], resume=tmp_path / "a/checkpoints/last.ckpt")
    assert epoch_of(best.path) == 2
    assert "the best is sought anew" in caplog.text


def test_a_damaged_best_checkpoint_is_not_tested_where_no_other_comes(tmp_path):
    best = fit_in(tmp_path, scores=[0.1, 0.3])
    best.path.write_bytes(best.path.read_bytes()[:-100])
    last = best.path.with_name("last.ckpt")
    fit_in(tmp_path, scores=[0.1, 0.3], resume=last)
    assert sorted(path.name for path in last.parent.iterdir()) == ["damaged.ckpt", "last.ckpt"]
    assert best_checkpoint(tmp_path) == str(last)


class Steps(Callback):
    """Notes at which steps checkpoints are written."""

    def __init__(self):
        self.saved = []

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        self.saved.append(trainer.global_step)


@pytest.mark.parametrize(("every", "expected"), [(None, [4, 8]), (3, [3, 4, 6, 8]), (4, [4, 8]), (9, [4, 8])])
def test_last_checkpoint_is_written_every_n_steps_and_at_the_end_of_the_epoch(tmp_path, every, expected):
    steps = Steps()
    fit(LastCheckpoint(tmp_path, every), steps, scores=[0.1, 0.2])
    assert steps.saved == expected
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 2 * BATCHES


def test_last_checkpoint_is_written_once_per_step_with_accumulated_gradients(tmp_path):
    steps = Steps()
    train(tmp_path, LastCheckpoint(tmp_path, 1), steps, epochs=1, accumulate_grad_batches=2)
    assert steps.saved == [1, 2]


@pytest.mark.parametrize("name", ["every_n_train_steps", "agree_every_n_steps"])
def test_last_checkpoint_asks_for_a_number_of_steps(tmp_path, name):
    with pytest.raises(UserError, match=rf"^callbacks\.last\.{name}=0"):
        LastCheckpoint(tmp_path, **{name: 0})


def test_a_save_that_fails_midway_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "last.ckpt"
    WholeFileIO().save_checkpoint({"step": 1}, path)
    with pytest.raises(Exception, match="pickle"):
        WholeFileIO().save_checkpoint({"weights": torch.zeros(1000), "bad": lambda: 0}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]
