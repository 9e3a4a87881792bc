"""Several processes are one run: the digits of one process, one folder, one voice; however they are started."""

import csv
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tests.end_to_end.conftest import environment
from tests.forked import ROOT
from tests.synthetic import TINY, write_tiny

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


@pytest.fixture(scope="module")
def unav(tmp_path_factory):
    """Overrides of UnAV, whose batches are as long as their longest video."""
    folder = write_tiny(tmp_path_factory.mktemp("data"))
    options = ("experiment=unav_unav100", "data.features=one_peace", *TINY, "trainer.log_every_n_steps=1")
    return (*options, "method.pyramid.levels=4", "data.loader.eval_batch_size=2", f"paths.data_dir={folder}")


def with_test_videos(options, folder, count):
    """The same, of a copy of the data with that many videos for testing."""
    source = Path(options[-1].partition("=")[2])
    shutil.copytree(source, folder)
    path = folder / "unav100" / "annotations" / "unav100_annotations.json"
    document = json.loads(path.read_text())
    entries = list(document["database"].values())
    others = [entry for entry in entries if entry["subset"] != "test"]
    for entry in others[: count - (len(entries) - len(others))]:
        entry["subset"] = "test"
    path.write_text(json.dumps(document))
    return (*options[:-1], f"paths.data_dir={folder}")


def results(folder):
    return json.loads((folder / "results.json").read_text())


def losses(folder):
    with (folder / "metrics.csv").open() as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]


@pytest.fixture(scope="module")
def checkpoint(run_py, unav, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted") / "run"
    done = run_py(*unav, "trainer.max_epochs=2", f"hydra.run.dir={folder}")
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "checkpoints" / "best.ckpt"


@pytest.mark.slow
@pytest.mark.parametrize("videos", [7, 8, 9])
def test_any_number_of_ranks_gives_the_same_digits(run_py, unav, checkpoint, tmp_path, videos):
    options = with_test_videos(unav, tmp_path / "data", videos)
    found = {}
    for ranks in (1, 2, 4):
        folder = tmp_path / str(ranks)
        trainer = ("trainer=cpu",) if ranks == 1 else (*TWO[:2], f"trainer.devices={ranks}")
        done = run_py(*options, *trainer, "stage=test", f"ckpt_path={checkpoint}", f"hydra.run.dir={folder}")
        assert (done.returncode, done.stderr) == (0, "")
        assert results(folder)["videos"] == {"evaluated": videos, "annotated": videos}
        found[ranks] = results(folder)["metrics"], (folder / "predictions" / "test.json").read_text()
    assert found[1] == found[2] == found[4]


@pytest.mark.slow
def test_two_ranks_with_half_the_batch_learn_what_one_learns(run_py, unav, tmp_path):
    options = (*unav, "method.pyramid.drop_path=0", "trainer.max_epochs=3")
    for name, extra in (("one", ("data.loader.batch_size=8",)), ("two", ("data.loader.batch_size=4", *TWO))):
        done = run_py(*options, *extra, f"hydra.run.dir={tmp_path / name}")
        assert (done.returncode, done.stderr) == (0, "")
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == 3
    assert two == pytest.approx(one, rel=1e-4)
    normalizers = [
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt")["state_dict"]["criterion.normalizer"]
        for name in ("one", "two")
    ]
    assert torch.equal(*normalizers)


@pytest.mark.slow
def test_torchrun_starts_one_run(run_py, unav, checkpoint, tmp_path):
    options = (*unav, "stage=test", f"ckpt_path={checkpoint}")
    done = run_py(*options, f"hydra.run.dir={tmp_path / 'one'}")
    assert done.returncode == 0
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    command = [*torchrun, "run.py", *options, *TWO[:2], f"paths.log_dir={tmp_path / 'logs'}"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Run folder") == 1
    (folder,) = (tmp_path / "logs").glob("*/*")
    assert results(folder)["metrics"] == results(tmp_path / "one")["metrics"]


def as_slurm_does(node, port):
    """Variables of the only task of one of two nodes."""
    numbers = {"JOB_ID": 77, "STEP_ID": 0, "NTASKS": 2, "NTASKS_PER_NODE": 1, "NNODES": 2}
    task = {"NODEID": node, "PROCID": node, "LOCALID": 0, "JOB_NAME": "avel"}
    slurm = {f"SLURM_{name}": str(value) for name, value in (numbers | task).items()}
    return environment() | slurm | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


@pytest.mark.slow
def test_slurm_starts_one_run_on_two_nodes(unav, tmp_path):
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True)
    port = store.port
    del store  # it has found a free port

    def task(node):
        options = (*unav, *TWO[:2], "trainer.max_epochs=1", f"paths.log_dir={tmp_path}")
        command = [sys.executable, "run.py", *options]
        return subprocess.run(command, cwd=ROOT, env=as_slurm_does(node, port), capture_output=True, text=True)

    with ThreadPoolExecutor() as pool:
        first, second = pool.map(task, (0, 1))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout.count("Run folder") == 1
    assert second.stdout == ""
    (folder,) = tmp_path.glob("*/*")
    assert folder.name == "slurm-77-0"
    assert {"config.yaml", "results.json", "metrics.csv", "checkpoints"} <= set(os.listdir(folder))


@pytest.mark.slow
def test_what_goes_wrong_on_all_ranks_is_said_once(run_py, unav, tmp_path):
    done = run_py(*unav, *TWO, "data.loader.batch_size=99", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: data.loader.batch_size=99 is more than a rank's share")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_what_goes_wrong_on_another_rank_is_said_by_that_one(run_py, unav, tmp_path):
    fail = ("+callbacks.fail._target_=tests.end_to_end.kill.FailOnRank", "+callbacks.fail.rank=1")
    done = run_py(*unav, *TWO, *fail, f"hydra.run.dir={tmp_path}")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == "error: a.npy: is damaged"
    assert "Traceback" not in done.stderr
