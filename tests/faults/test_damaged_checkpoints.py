"""A damaged checkpoint is never read as good: the one before it is offered, or taken where nobody can be asked."""

import json
import os
import shutil

import pytest
import torch

from avel.training.checkpoint_files import check_checkpoint
from tests.end_to_end.conftest import data_dir, tiny
from tests.end_to_end.kill import KillAtStep, KillInRun
from tests.forked import ROOT
from tests.unit.checkpoints import hostile
from tests.unit.training.damage import flip

pytestmark = pytest.mark.slow
__all__ = ["data_dir", "tiny"]

KILL = f"+callbacks.kill={{_target_: {KillAtStep.__module__}.KillAtStep, step: 8}}"
"""In the third epoch, of three steps each: last.ckpt is of the second, and the one before it of the first."""


@pytest.fixture(scope="module")
def named(tiny):
    """Overrides of a run in a folder with a name, that can be started again."""
    return (*tiny, "trainer.max_epochs=3")


@pytest.fixture(scope="module")
def killed(run_py, named, tmp_path_factory):
    """The folder of a run that was killed."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    done = run_py(*named, KILL, f"hydra.run.dir={folder}")
    assert done.returncode == -9
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == [
        "best.ckpt",
        "last.ckpt",
        "previous.ckpt",
    ]
    return folder


@pytest.fixture
def run(killed, tmp_path):
    return shutil.copytree(killed, tmp_path / "run")


def cut(path):
    """Leave half of it, as a machine does whose power fails."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


DAMAGES = {"a bit of a weight": flip, "the second half": cut, "all": empty}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_person_is_offered_the_one_before(run_py, named, run, told, damage):
    last, previous = (run / "checkpoints" / name for name in ("last.ckpt", "previous.ckpt"))
    DAMAGES[damage](last)
    done = run_py(*named, f"ckpt_path={last}", f"hydra.run.dir={run.with_name('new')}")
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert f"{previous} is whole (epoch 1, step 3): take ckpt_path={previous}" in done.stderr
    if damage == "a bit of a weight":
        done = run_py(*named, f"ckpt_path={previous}", f"hydra.run.dir={run.with_name('new')}")
        assert done.returncode == 0, done.stderr
    told(f"last.ckpt without {damage}, ckpt_path", "previous.ckpt is named, and goes on")


def test_where_nobody_is_asked_the_one_before_is_taken(run_py, named, run, tmp_path, told):
    """The end is that of a run that nobody disturbed."""
    whole = run_py(*named, "resume=auto", f"paths.log_dir={tmp_path / 'whole'}")
    assert whole.returncode == 0, whole.stderr
    (undisturbed,) = (tmp_path / "whole").glob("*/*")
    again = tmp_path / "again"
    once = f"+callbacks.kill={{_target_: {KillInRun.__module__}.KillInRun, step: 8, run: 1, log: {tmp_path / 'began'}}}"
    command = (*named, once, "resume=auto", f"hydra.run.dir={again}")
    assert run_py(*command).returncode == -9
    flip(again / "checkpoints" / "last.ckpt")
    done = run_py(*command)
    assert done.returncode == 0, done.stderr
    said = "".join(done.stdout.split())  # long paths are folded
    assert "last.ckptistornordamaged:itispassedover" in said
    assert f"Goingonfrom{os.path.relpath(again / 'checkpoints' / 'previous.ckpt', ROOT)}" in said
    weights = [torch.load(f / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for f in (undisturbed, again)]
    torch.testing.assert_close(*weights, rtol=0, atol=0)
    scores = [json.loads((f / "results.json").read_text())["metrics"] for f in (undisturbed, again)]
    assert scores[0] == scores[1]
    told("a bit of last.ckpt, resume=auto", "goes on from previous.ckpt; weights and scores of an undisturbed run")


def test_where_all_are_damaged_a_run_begins_anew_beside_them(run_py, named, run, told):
    for path in (run / "checkpoints").iterdir():
        cut(path)
    done = run_py(*named, "resume=auto", f"hydra.run.dir={run}")
    assert done.returncode == 0, done.stderr
    assert check_checkpoint(run / "checkpoints" / "last.ckpt").epoch == 3
    (aside,) = (path for path in run.parent.iterdir() if path != run)
    assert len([*(aside / "checkpoints").iterdir()]) == 3
    told("halves of all checkpoints, resume=auto", "all of the old folder, set aside; the run from its beginning")


@pytest.mark.parametrize("name", ["a list in lists", "arguments in tuples", "more than the stack"])
def test_a_hostile_checkpoint_ends_in_a_message(run_py, python, named, tmp_path, told, name):
    path = tmp_path / "last.ckpt"
    path.write_bytes(hostile.bombs(10**5)[name])
    for done in (
        run_py(*named, f"ckpt_path={path}", f"hydra.run.dir={tmp_path / 'fit'}"),
        run_py(*named, "stage=test", f"ckpt_path={path}", f"hydra.run.dir={tmp_path / 'test'}"),
        python.run("scripts/localize.py", tmp_path / "none.mp4", path),
    ):
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stdout + done.stderr
    told(f"{name} as ckpt_path", "nothing is opened")
