"""Runs that are ended and go on, and sweeps of them."""

import csv
import json
import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from hydra_plugins.avel_sweeps.summary import summarize
from tests.end_to_end.conftest import environment
from tests.end_to_end.test_run import assert_same, read_metrics


def summary(log_dir):
    (path,) = Path(log_dir).glob("sweeps/*/summary.csv")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_that_the_machine_ends_goes_on_by_the_same_command(run_py, tiny, tmp_path):
    options = (*tiny, "trainer.max_epochs=2", f"paths.log_dir={tmp_path}")
    ask = ("+callbacks.ask._target_=tests.end_to_end.kill.AskAtStep", "+callbacks.ask.step=4")
    ended = run_py(*options, *ask, "resume=auto")
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGTERM, "")
    assert "SIGTERM: the same command goes on" in ended.stdout
    (folder,) = tmp_path.glob("ccnet_unav100/*")
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 4

    resumed = run_py(*options, *ask, "resume=auto", "logger=csv")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert "Going on from" in (folder / "console.log").read_text()
    assert "SIGTERM" not in resumed.stdout
    whole = run_py(*options, f"hydra.run.dir={tmp_path / 'whole'}")
    assert whole.returncode == 0
    assert read_metrics(folder) == read_metrics(tmp_path / "whole")
    one, other = (torch.load(run / "checkpoints/last.ckpt", weights_only=True) for run in (folder, tmp_path / "whole"))
    assert_same(one["state_dict"], other["state_dict"])

    written = (folder / "results.json").stat().st_mtime_ns
    again = run_py(*options, *ask, "resume=auto")
    assert (again.returncode, again.stderr) == (0, "")
    assert "Done before" in again.stdout
    assert (folder / "results.json").stat().st_mtime_ns == written
    assert [path.name for path in (tmp_path / "ccnet_unav100").iterdir()] == [folder.name]


def test_a_trial_that_fails_stops_no_other(run_py, tiny, tmp_path, capsys):
    options = ("-m", *tiny, "trainer=debug", "method.pyramid.heads=3,4", f"paths.log_dir={tmp_path}")
    first = run_py(*options)
    assert first.returncode == 1
    assert "Traceback" not in first.stderr
    (line,) = first.stderr.splitlines()
    assert line.startswith("error: trial 0 failed: method.pyramid.heads=3: must divide method.pyramid.dim=16")
    assert [row["status"] for row in summary(tmp_path)] == ["failed", "done"]
    (failure,) = tmp_path.glob("ccnet_unav100/*/failed.json")
    assert "heads=3: must divide" in json.loads(failure.read_text())["message"]
    assert "Traceback" in failure.with_name("traceback.txt").read_text()

    second = run_py(*options)
    assert second.returncode == 1
    assert second.stderr == first.stderr
    assert second.stdout.count("Done before") == 1
    assert "Trial 0" in second.stdout
    (folder,) = tmp_path.glob("sweeps/*")
    assert "1 | done, best" not in (folder / "summary.md").read_text()
    assert len(list(tmp_path.glob("ccnet_unav100/*"))) == 2

    summarize([tmp_path / "ccnet_unav100"], None)
    assert "done, best" in capsys.readouterr().out


def test_what_slurm_is_given_can_be_read(python, tiny, tmp_path):
    if not find_spec("submitit"):
        pytest.skip("the optional package submitit is not installed")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sbatch", "srun", "squeue", "sacct"):  # a Slurm that takes no job
        (programs / name).write_text("#!/bin/sh\nexit 1\n")
        (programs / name).chmod(0o755)
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    options = ("launcher=submitit", "hydra.launcher.partition=gpu", "seed=1,2", f"paths.log_dir={tmp_path / 'logs'}")
    done = python.run("run.py", "-m", *tiny, *options, environment=environment() | path)
    assert done.returncode != 0
    (script,) = (tmp_path / "logs").rglob("*.sh")
    lines = script.read_text().splitlines()
    asked = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH --")}
    assert {"array=0-1%2", "gpus-per-node=1", "partition=gpu", "signal=USR2@180", "time=1440", "job-name=avel"} <= asked
    assert "open-mode=append" in asked  # a job that is queued again goes on with its log
    assert any("srun" in line and "submitit.core._submit" in line for line in lines)


@pytest.mark.slow
def test_a_sweep_that_was_killed_does_what_is_left(run_py, tiny, tmp_path):
    log = tmp_path / "began"
    kill = ("+callbacks.kill._target_=tests.end_to_end.kill.KillInRun", "+callbacks.kill.step=5")
    options = ("-m", *tiny, "trainer.max_epochs=2", "seed=1,2,3", "method.optimizer.lr=1e-4,3e-4")
    options = (*options, *kill, "+callbacks.kill.run=3", f"+callbacks.kill.log={log}", f"paths.log_dir={tmp_path}")
    assert run_py(*options).returncode == -signal.SIGKILL
    began = [line.split() for line in log.read_text().splitlines()]
    assert [step for _, step in began] == ["0", "0", "0"]

    done = run_py(*options)
    assert (done.returncode, done.stderr) == (0, "")
    began = [line.split() for line in log.read_text().splitlines()]
    assert began[3] == [began[2][0], "3"]  # the one that was cut off, after its first epoch
    assert len({folder for folder, _ in began}) == 6
    assert done.stdout.count("Done before") == 2
    rows = summary(tmp_path)
    assert [row["status"] for row in rows] == ["done"] * 6
    assert {(row["seed"], row["method.optimizer.lr"]) for row in rows} == {
        (seed, lr) for seed in "123" for lr in ("0.0001", "0.0003")
    }
    assert "95 % interval" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_other_processes_run_trials(run_py_afresh, tiny, tmp_path, launcher):
    if not find_spec(launcher.partition("_")[0]):
        pytest.skip(f"the optional package for {launcher} is not installed")
    options = ("-m", *tiny, "trainer=debug", f"launcher={launcher}", "method.pyramid.heads=3,4")
    done = run_py_afresh(*options, f"paths.log_dir={tmp_path}")
    assert done.returncode == 1
    assert [row["status"] for row in summary(tmp_path)] == ["failed", "done"]


@pytest.mark.slow
def test_a_search_goes_on(run_py, tiny, tmp_path):
    pytest.importorskip("optuna", reason="the optional package optuna is not installed")
    options = ("-m", *tiny, "trainer=debug", "sweep=optuna", "method.pyramid.heads=2,4", f"paths.log_dir={tmp_path}")
    first = run_py(*options, "hydra.sweeper.n_trials=2")
    assert (first.returncode, first.stderr) == (0, "")
    assert len(summary(tmp_path)) == 2
    second = run_py(*options, "hydra.sweeper.n_trials=3")
    assert (second.returncode, second.stderr) == (0, "")
    rows = summary(tmp_path)
    assert [row["status"] for row in rows] == ["done"] * 3
    assert all(1e-5 <= float(row["method.optimizer.lr"]) <= 1e-3 for row in rows)
    assert second.stdout.count("epoch   1/1") == 1
