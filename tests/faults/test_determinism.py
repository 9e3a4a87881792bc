"""The same seed on the same machine gives the same numbers, to the last bit: weights, metrics.csv and predictions."""

import json
import subprocess
import sys

import pytest
import torch

from tests.end_to_end.conftest import environment
from tests.end_to_end.test_run import assert_same
from tests.forked import ROOT
from tests.synthetic import TINY

pytestmark = pytest.mark.slow

TURNED = ROOT / "tests" / "faults" / "turned_listings.py"
AUGMENTED = (*TINY, "data.noise=0.1")  # crops are drawn anyway
CLIPS = ("size=narrow", "data.loader.batch_size=4")
METHODS = {
    "unav": ("experiment=unav_unav100", "data.features=one_peace", *AUGMENTED),
    "ccnet": ("experiment=ccnet_unav100", *AUGMENTED),
    "actionformer": ("experiment=actionformer_unav100", "data.features=one_peace", *AUGMENTED),
    "uniav": (
        *("experiment=uniav_multitask", "tasks=[unav100,desed]", "size=narrow", "method.pyramid.dim=16"),
        *("method.head.dim=16", "data.sets.unav100.max_length=64", "data.sets.desed.max_length=64"),
        *("data.sets.unav100.loader.batch_size=4", "data.sets.desed.loader.batch_size=4"),
    ),
    "av_att": ("experiment=av_att_ave", *CLIPS),
    "psp weak": ("experiment=psp_ave_weak", *CLIPS),
    "cmran": ("experiment=cmran_ave", *CLIPS),
    "dmrn": ("experiment=dmrn_ave", *CLIPS),
    "avdln": ("experiment=avdln_ave", *CLIPS),
}
SHORT = ("trainer.max_epochs=2", "trainer.log_every_n_steps=1", "callbacks.last.every_n_train_steps=2", "report=null")

TRAINED = {"state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "global_step"}
"""What a checkpoint holds that does not depend on where it lies."""


def workers(method, count):
    sets = ("data.sets.unav100.", "data.sets.desed.") if method == "uniav" else ("data.",)
    return [f"{name}loader.num_workers={count}" for name in sets]


def assert_same_rows(whole, resumed, *, by_turns=False):
    """The rows of metrics.csv are the same.

    Where tasks take turns, Lightning repeats the values of the others, but not in the first row after a resume.
    """
    rows = [(folder / "metrics.csv").read_text().splitlines() for folder in (whole, resumed)]
    unlike = [pair for pair in zip(*rows, strict=True) if pair[0] != pair[1]]
    assert len(unlike) <= by_turns
    for pair in unlike:
        assert all(a == b or not b for a, b in zip(*(row.split(",") for row in pair), strict=True))


def assert_same_numbers(one, other, *, by_turns=False):
    """Weights, optimizer and average, the rows of metrics.csv, scores and predictions are the same to the last bit."""
    for name in ("best.ckpt", "last.ckpt"):
        checkpoints = [torch.load(folder / "checkpoints" / name, weights_only=True) for folder in (one, other)]
        assert_same(*({key: checkpoint[key] for key in TRAINED & checkpoint.keys()} for checkpoint in checkpoints))
    assert_same_rows(one, other, by_turns=by_turns)
    metrics = [json.loads((folder / "results.json").read_text())["metrics"] for folder in (one, other)]
    assert metrics[0] == metrics[1]
    files = [(folder / "predictions").rglob("*.json") for folder in (one, other)]
    found = [{path.parent.name + path.name: path.read_bytes() for path in paths} for paths in files]
    assert found[0] == found[1]
    assert found[0]


@pytest.mark.parametrize("method", METHODS)
def test_neither_workers_nor_listings_nor_a_kill_in_mid_epoch_change_a_bit(python, data_dir, tmp_path, told, method):
    options = (*METHODS[method], *SHORT, f"paths.data_dir={data_dir}")
    whole, killed, again = (tmp_path / name for name in ("whole", "killed", "again"))

    def run(count, folder, *extra, script=()):
        command = (*script, "run.py", *options, *workers(method, count), *extra, f"hydra.run.dir={folder}")
        return python.run(*command, environment=environment())

    done = run(0, whole)
    assert done.returncode == 0, done.stderr
    kill = ("+callbacks.kill._target_=tests.end_to_end.kill.KillAtStep", "+callbacks.kill.step=5")
    assert run(2, killed, *kill).returncode == -9
    last = killed / "checkpoints" / "last.ckpt"
    done = run(3, again, f"ckpt_path={last}", script=(TURNED,))
    assert done.returncode == 0, done.stderr
    assert_same_numbers(whole, again, by_turns=method == "uniav")
    told(f"{method}: 0, 2 and 3 workers, folders listed otherwise, killed after step 5", "every bit is the same")


@pytest.mark.parametrize("method", ["ccnet", "uniav", "psp weak"])
def test_hash_seeds_change_no_bit(data_dir, tmp_path, told, method):
    options = (*METHODS[method], *SHORT, f"paths.data_dir={data_dir}")
    folders = [tmp_path / seed for seed in ("1", "2")]
    for count, folder in enumerate(folders):
        command = [sys.executable, "run.py", *options, *workers(method, count), f"hydra.run.dir={folder}"]
        with_seed = environment() | {"PYTHONHASHSEED": folder.name}
        done = subprocess.run(command, cwd=ROOT, env=with_seed, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert_same_numbers(*folders)
    told(f"{method}: PYTHONHASHSEED, 0 and 1 workers", "every bit is the same")
