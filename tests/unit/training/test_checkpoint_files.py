import shutil

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from avel.errors import UserError
from avel.training.checkpoint_files import (
    Found,
    Progress,
    another,
    best_checkpoint,
    check_checkpoint,
    find_checkpoints,
    read_checkpoint,
    sizes_must_fit,
)
from avel.training.checkpointing import BestCheckpoint, LastCheckpoint
from tests.unit.training.damage import flip
from tests.unit.training.scored import fit
from tests.unit.training.toy import BATCHES


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run of two epochs leaves."""
    folder = tmp_path_factory.mktemp("run")
    fit(BestCheckpoint(folder, "val/map"), LastCheckpoint(folder), scores=[0.2, 0.1])
    shutil.copy(folder / "best.ckpt", folder / "previous.ckpt")
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "checkpoints")


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def test_a_checkpoint_says_how_far_the_training_had_come(whole):
    assert check_checkpoint(whole / "last.ckpt") == Progress(2, 2 * BATCHES)
    assert check_checkpoint(whole / "best.ckpt") == Progress(1, BATCHES)


def test_what_is_no_checkpoint_is_named(folder):
    path = folder / "best.ckpt"
    content = path.read_bytes()
    with pytest.raises(UserError, match=r"gone\.ckpt: there is no such file"):
        check_checkpoint(folder / "gone.ckpt")
    with pytest.raises(UserError, match="checkpoints: is a folder"):
        check_checkpoint(folder)
    for broken in (b"", b"text", content[:100], content[: len(content) // 2]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"best\.ckpt: this is no checkpoint"):
            check_checkpoint(path)
    whole = torch.load(folder / "last.ckpt", weights_only=True)
    for other in ({"weight": torch.zeros(1)}, whole | {"epoch": "3"}, whole | {"global_step": -1}, [whole]):
        torch.save(other, path)
        with pytest.raises(UserError, match=r"best\.ckpt: this is no checkpoint"):
            check_checkpoint(path)


def test_a_checkpoint_of_another_kind_is_none_of_a_run(whole, tmp_path):
    assert read_checkpoint(whole / "last.ckpt") is None  # the toy has no arguments to build it from
    torch.save({"hyper_parameters": {"dim": 3}, "weight": torch.ones(2)}, tmp_path / "run.ckpt")
    assert read_checkpoint(tmp_path / "run.ckpt")["weight"].tolist() == [1, 1]
    assert read_checkpoint(tmp_path / "run.ckpt", "meta")["weight"].is_meta


def test_a_checkpoint_holds_plain_values(tmp_path):
    torch.save({"hyper_parameters": {"layer": torch.nn.Linear(1, 1)}}, tmp_path / "run.ckpt")
    for device in ("cpu", "meta"):
        with pytest.raises(UserError, match=r"run\.ckpt: names torch\.nn\.modules\.linear\.Linear, .*: it is refused"):
            read_checkpoint(tmp_path / "run.ckpt", device)


@pytest.mark.parametrize("damage", [flip, cut])
def test_the_first_whole_checkpoint_is_found(folder, damage):
    last, previous, best = (folder / f"{name}.ckpt" for name in ("last", "previous", "best"))
    assert find_checkpoints(folder) == Found(last, Progress(2, 2 * BATCHES), ())
    damage(last)
    assert find_checkpoints(folder) == Found(previous, Progress(1, BATCHES), (last,))
    damage(previous)
    assert find_checkpoints(folder) == Found(best, Progress(1, BATCHES), (last, previous))
    damage(best)
    assert find_checkpoints(folder) == Found(None, None, (last, previous, best))
    assert find_checkpoints(folder / "none") == Found(None, None, ())


def test_another_checkpoint_is_offered_if_it_is_whole(folder):
    last, previous, best = (folder / f"{name}.ckpt" for name in ("last", "previous", "best"))
    assert another(last) == f"\n{previous} is whole (epoch 1, step {BATCHES}): take ckpt_path={previous}"
    assert another(best) == f"\n{last} is whole (epoch 2, step {2 * BATCHES}): take ckpt_path={last}"
    assert another(folder / "released.pth") == ""
    flip(previous)
    flip(best)
    assert another(last) == ""


def test_last_stands_in_for_best(folder):
    for name in ("best.ckpt", "last.ckpt"):
        assert best_checkpoint(folder.parent) == str(folder / name)
        (folder / name).unlink()
    assert best_checkpoint(folder.parent) is None


def test_other_sizes_are_explained():
    with (
        pytest.raises(UserError, match=r"a\.ckpt: these are the weights of another.*\n.*size mismatch"),
        sizes_must_fit("a.ckpt"),
    ):
        nn.Linear(2, 3).load_state_dict(nn.Linear(3, 3).state_dict())


def test_other_groups_of_parameters_are_explained():
    one, other = nn.Linear(2, 3), nn.Linear(2, 3)
    several = AdamW([{"params": [one.weight]}, {"params": [one.bias]}])
    for groups in (one.parameters(), [{"params": [one.weight, one.bias]}, {"params": [other.bias]}]):
        with (
            pytest.raises(UserError, match=r"a\.ckpt: was trained .* other groups of parameters: repeat the"),
            sizes_must_fit("a.ckpt"),
        ):
            AdamW(groups).load_state_dict(several.state_dict())


@pytest.mark.parametrize("kind", [RuntimeError, ValueError])
def test_other_failures_stay_what_they_are(kind):
    with pytest.raises(kind, match="^boom$"), sizes_must_fit("a.ckpt"):
        raise kind("boom")
