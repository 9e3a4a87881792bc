import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from avel.errors import UserError
from avel.training.checkpointing import BestCheckpoint, best_checkpoint, check_checkpoint, sizes_must_fit
from tests.unit.training.scored import fit


def fit_in(folder, *, scores, resume=None):
    best = BestCheckpoint(folder / "checkpoints", monitor="val/map")
    last = ModelCheckpoint(folder / "checkpoints", filename="last", save_on_train_epoch_end=True)
    fit(best, last, scores=scores, resume=resume)
    return best


def epoch_of(path):
    return torch.load(path, weights_only=True)["epoch"]


def test_best_checkpoint_has_the_highest_score(tmp_path):
    best = fit_in(tmp_path, scores=[0.1, 0.3, 0.2])
    assert epoch_of(best.path) == 1
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


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


def test_last_stands_in_for_best(tmp_path):
    best = fit_in(tmp_path, scores=[0.1])
    assert best_checkpoint(tmp_path) == str(best.path)
    best.path.unlink()
    assert best_checkpoint(tmp_path).endswith("last.ckpt")


def test_whole_checkpoints_pass(tmp_path):
    check_checkpoint(fit_in(tmp_path, scores=[0.1]).path)


def test_what_is_no_checkpoint_is_named(tmp_path):
    path = fit_in(tmp_path, scores=[0.1]).path
    content = path.read_bytes()
    with pytest.raises(UserError, match=r"gone\.ckpt: there is no such file"):
        check_checkpoint(tmp_path / "gone.ckpt")
    for broken in (b"", b"text", content[:100], content[: len(content) // 2]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"best\.ckpt: this is no checkpoint"):
            check_checkpoint(path)
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(UserError, match=r"best\.ckpt: this is no checkpoint"):
        check_checkpoint(path)


def test_other_sizes_are_explained():
    with (
        pytest.raises(UserError, match=r"a\.ckpt: these are the weights of another.*\n.*size mismatch"),
        sizes_must_fit("a.ckpt"),
    ):
        nn.Linear(2, 3).load_state_dict(nn.Linear(3, 3).state_dict())


def test_other_failures_stay_what_they_are():
    with pytest.raises(RuntimeError, match="^boom$"), sizes_must_fit("a.ckpt"):
        raise RuntimeError("boom")
