"""Runs that are killed at any moment end, by the same command, with what an undisturbed run gives: to the last bit."""

import json
import os
import re
import signal
import socket
from random import Random

import pytest
import torch

from avel.training.folder_lock import held
from tests.end_to_end.conftest import environment
from tests.end_to_end.test_run import assert_same
from tests.faults.killing import DYING, KILLED, Killing, died
from tests.synthetic import TINY, write_tiny, write_tiny_ave, write_tiny_dense

pytestmark = pytest.mark.slow

SHORT = (
    "+logger.metrics.interval=0",  # or the clock decides how often files are written
    *("trainer.log_every_n_steps=1", "trainer.max_epochs=2", "callbacks.last.every_n_train_steps=2", "resume=auto"),
)
CHOICES = {
    "ccnet": (
        *("experiment=ccnet_unav100", *TINY, "data.max_length=32", "method.pyramid.levels=3"),
        *("method.pyramid.embedding_layers=1", "method.head.layers=1"),
    ),
    "cmran": ("experiment=cmran_ave", "size=narrow", "data.loader.batch_size=8"),
    "uniav": (
        *("experiment=uniav_multitask", "tasks=[unav100,desed]", "size=narrow", "method.pyramid.dim=16"),
        *("method.head.dim=16", "data.sets.unav100.max_length=64", "data.sets.desed.max_length=64"),
        *("data.sets.unav100.loader.batch_size=4", "data.sets.desed.loader.batch_size=4"),
    ),
}
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.loader.batch_size=2")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = write_tiny(tmp_path_factory.mktemp("data"))
    write_tiny_ave(folder)
    write_tiny_dense(folder, "desed", features="one_peace")
    return folder


@pytest.fixture
def killing(python, data_dir, tmp_path):
    """Makes the training of a method one that can be killed."""

    def choose(method, *extra):
        places = (f"paths.data_dir={data_dir}", f"paths.log_dir={tmp_path / 'logs'}")
        return Killing(python, ("run.py", *CHOICES[method], *SHORT, *extra, *places), tmp_path / "logs")

    return choose


def files_of(logs):
    """Path -> file, of the only run; hidden ones, too."""
    (run,) = logs.glob("*/*")
    return {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}


def assert_same_run(one, other):
    """All that a run leaves behind is the same, but for how long it took, and that it was resumed."""
    here, there = files_of(one), files_of(other)
    assert here.keys() == there.keys()
    for name in here.keys() - {"console.log", "report.html", "config.yaml"}:
        if name.endswith(".ckpt"):
            assert_same(*(trained(files[name]) for files in (here, there)))
        elif name == "results.json":
            assert results(here[name]) == results(there[name])
        else:
            assert here[name].read_bytes() == there[name].read_bytes(), name


def trained(path):
    checkpoint = torch.load(path, weights_only=True)
    for state in checkpoint["callbacks"].values():
        state.pop("current_score", None)  # Lightning forgets the score of the epoch before, which nobody asks for
    return checkpoint | {"config": checkpoint["config"] | {"ckpt_path": None}}


def results(path):
    return {k: v for k, v in json.loads(path.read_text()).items() if k not in ("seconds", "peak_memory_mib")}


def assert_sensible(logs, epochs=2):
    """The log tells every epoch; one is told again only after the run has begun again or gone on."""
    text = files_of(logs)["console.log"].read_text()
    assert text.rstrip().splitlines()[-1].startswith(("More seeds", "Done before"))
    starts = re.split(r"^.*(?:Going on from|^ *experiment ).*$", text, flags=re.MULTILINE)
    told = [[int(number) for number in re.findall(r"epoch +(\d+)/\d+  .* s$", start, re.MULTILINE)] for start in starts]
    assert {number for start in told for number in start} == set(range(1, epochs + 1))


@pytest.mark.parametrize(("method", "times"), [("ccnet", 20), ("cmran", 10), ("uniav", 5)])
def test_a_run_that_is_killed_at_random_moments(killing, told, method, times):
    run, seed = killing(method), 0
    ends = 0
    for ended in run.kill(times, seed):
        if ended:
            assert_same_run(run.folder, run.whole)
            assert_sensible(run.folder)
            ends += 1
    assert run.met.total() == times
    told(f"{method}: SIGKILL at random, seed {seed}: {run.struck}", f"{ends} runs, the same to the last bit")


AIMED = {
    "within last.ckpt": (Killing.within, "last.ckpt", -1),
    "within last.ckpt in mid-epoch": (Killing.within, "last.ckpt", 2),
    "right after last.ckpt in mid-epoch": (Killing.after, "last.ckpt", 2),
    "within best.ckpt": (Killing.within, "best.ckpt", 0),
    "between best.ckpt and last.ckpt": (Killing.before, "last.ckpt", 1),
    "right after last.ckpt": (Killing.after, "last.ckpt", -1),
    "within metrics.csv": (Killing.within, "metrics.csv", -1),
    "within predictions": (Killing.within, "test.json", -1),
    "within report.html": (Killing.within, "report.html", -1),
    "within results.json": (Killing.within, "results.json", -1),
    "before results.json": (Killing.before, "results.json", -1),
}


def test_a_run_that_is_killed_where_it_hurts(killing, told):
    run = killing("ccnet")
    for place, (moment, file, number) in AIMED.items():
        done = run.run(moment(run, file, number))
        assert died(done), (place, done.stdout, done.stderr)
        torn = [path.name for path in run.folder.rglob(".*.part")]
        assert torn == ([] if moment is Killing.after else [f".{file}.part"]), place
        run.finish()
        assert_same_run(run.folder, run.whole)
        told(f"killed {place}", "the same to the last bit")
        run.begin_anew()


def test_loader_workers_end_with_a_killed_run_and_change_nothing(killing, told):
    run = killing("ccnet", "data.loader.num_workers=2")
    for number in (0, 1):
        # dying.py waits until all that the run has started is gone
        assert run.run(run.before("last.ckpt", number)).returncode in KILLED
    run.finish()
    assert_same_run(run.folder, run.whole)
    told("SIGKILL of a run, not of its 2 loader workers, twice", "no worker was left; the same to the last bit")


@pytest.mark.parametrize(
    ("moment", "number"),
    [(f"signal:{signal.SIGTERM:d}", signal.SIGTERM), ("ctrl-c", signal.SIGINT)],
    ids=["SIGTERM", "ctrl-c"],
)
def test_a_run_that_is_asked_to_end_at_random_moments(killing, told, moment, number):
    run = killing("ccnet")
    random, asked = Random(1), 0
    while True:
        done = run.run(f"{moment}:{random.random() * run.seconds}") if asked < 5 else run.finish()
        assert "Traceback" not in done.stdout + done.stderr
        if done.returncode == 0:
            assert_same_run(run.folder, run.whole)
            run.begin_anew()
            if asked == 5:
                break
        else:
            assert done.returncode in (128 + number, -number), done.stdout + done.stderr
            asked += 1
    told(f"{number.name} at 5 random moments", "the same to the last bit")


@pytest.mark.parametrize(("rank", "moment"), [(0, "event"), (1, "child")])
def test_no_rank_outlives_another(killing, told, rank, moment):
    run = killing("ccnet", *TWO)
    done = run.run(run.before("last.ckpt", 0).replace("event", moment))
    assert "Traceback" not in done.stderr
    if rank == 0:
        assert done.returncode in KILLED
    else:
        assert done.returncode == 2
        assert "error: another process of this run has failed" in done.stderr
    run.finish()
    assert_same_run(run.folder, run.whole)
    told(f"SIGKILL of rank {rank} of 2", "the other ended by itself; the same to the last bit")


@pytest.mark.parametrize("again", [("resume=auto",), ("resume=restart",), ("-m",)])
def test_a_folder_that_another_run_works_in_is_left_alone(python, data_dir, tmp_path, told, again):
    options = (*CHOICES["ccnet"], *SHORT[:-1], f"paths.data_dir={data_dir}", f"paths.log_dir={tmp_path / 'logs'}")
    assert python.run(DYING, "event:9", tmp_path / "logs", "run.py", *options, "resume=auto").returncode in KILLED
    (folder,) = (tmp_path / "logs").glob("ccnet_unav100/*")
    with held(folder):
        files = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        done = python.run("run.py", *again, *options, environment=environment())
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == files
    assert done.returncode != 0
    assert f"process {os.getpid()} on {socket.gethostname()} works in it" in done.stderr
    assert "Traceback" not in done.stderr
    told(f"the command of a running run, {again[0]}", "it says who works there, and changes nothing")
