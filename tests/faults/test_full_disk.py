"""A full disk ends a run with one message; what was whole before is whole, and the run goes on when there is room."""

import logging
import os

import numpy as np
import pytest
import torch

from avel.events import Event, EventTable
from avel.files import WriteError, whole_file
from avel.training.checkpoint_files import check_checkpoint, find_checkpoints
from avel.training.checkpointing import WholeFileIO
from avel.training.console import LogFile
from avel.training.files import write_json
from avel.training.run_folder import MetricsFile
from tests.end_to_end.conftest import data_dir, tiny
from tests.faults.small_disk import needs_mount, run_with_small_files, small_disk

pytestmark = pytest.mark.slow
__all__ = ["data_dir", "tiny"]

ROOM_FOR_TWO = 12 * 2**20
"""Bytes: a checkpoint of the tiny run takes 4.8 MiB."""

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.loader.batch_size=2")


def left_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def assert_one_message(done, *words):
    assert done.returncode not in (0, 1)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("error:") == 1, done.stderr
    for word in words:
        assert word in done.stderr


@needs_mount
@pytest.mark.parametrize("ranks", [(), TWO], ids=["one process", "two processes"])
def test_a_checkpoint_that_does_not_fit(run_py, tiny, tmp_path, told, ranks):
    """It is that of the second epoch."""
    with small_disk(tmp_path / "disk", ROOM_FOR_TWO) as disk:
        run = disk.folder / "run"
        options = (*tiny, *ranks, "trainer.max_epochs=3", f"hydra.run.dir={run}")
        done = run_py(*options)
        assert_one_message(done, "best.ckpt: cannot be written: No space left on device", "MiB are free", "make room")
        last = run / "checkpoints" / "last.ckpt"
        assert (
            f"is whole (epoch 1, step 3): go on with the same command and ckpt_path={os.path.relpath(last)}"
            in done.stderr
        )
        assert not [name for name in left_in(run) if name.endswith(".part")]
        assert find_checkpoints(run / "checkpoints").newest == last

        disk.become("size=64m")
        done = run_py(*options, f"ckpt_path={last}")
        assert done.returncode == 0, done.stderr
        assert check_checkpoint(last).epoch == 3
        assert (run / "results.json").is_file()
        told(
            f"{disk.name}, training with {len(ranks[2:3]) + 1} process(es)", "last.ckpt; goes on from it with more room"
        )


def test_a_checkpoint_that_is_larger_than_files_may_be(tiny, tmp_path, told):
    """What a quota or `ulimit -f` does; it needs no right to mount anything."""
    run = tmp_path / "run"
    done = run_with_small_files(2**20, *tiny, "trainer.max_epochs=1", f"hydra.run.dir={run}")
    assert_one_message(done, "best.ckpt: cannot be written: File too large", "there is no checkpoint yet")
    assert not [name for name in left_in(run) if name.endswith((".part", ".ckpt", "results.json"))]
    told("RLIMIT_FSIZE of 1 MiB, training", "config.yaml, metrics.csv")


@needs_mount
def test_trials_of_a_sweep_that_do_not_fit(run_py, tiny, tmp_path, told):
    with small_disk(tmp_path / "disk", 2**20) as disk:
        done = run_py("-m", *tiny, "seed=1,2", f"paths.log_dir={disk.folder}", "trainer.max_epochs=1")
        assert "Traceback" not in done.stdout + done.stderr
        assert done.stderr.count("failed: ") == 2, done.stderr
        assert not [name for name in left_in(disk.folder) if name.endswith((".part", ".ckpt"))]
        told(f"{disk.name}, sweep", "every trial says why it failed")


@needs_mount
def test_predictions_that_do_not_fit(run_py, tiny, tmp_path, told):
    assert run_py(*tiny, "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'fit'}").returncode == 0
    best = tmp_path / "fit" / "checkpoints" / "best.ckpt"
    with small_disk(tmp_path / "disk", 40 * 2**10) as disk:
        run = disk.folder / "run"
        done = run_py(*tiny, "stage=test", f"ckpt_path={best}", f"hydra.run.dir={run}")
        assert_one_message(done, "predictions/test.json: cannot be written: No space left", "repeat the command")
        assert not [name for name in left_in(run) if name.endswith((".part", "test.json", "results.json"))]
        told(f"{disk.name}, test", f"{', '.join(left_in(run))}")


def write_events(path):
    EventTable([Event(f"v{i}", 0.0, 1.0, "dog", 0.5) for i in range(5000)]).write_json(path)


def write_metrics(path):
    rows = MetricsFile(path, interval=1e9)
    rows.rows = {step: {"train/loss": 1 / (step + 1)} for step in range(20000)}
    rows.write()


def write_features(path):
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.zeros(10**5))


WRITERS = {
    "checkpoint": lambda path: WholeFileIO().save_checkpoint({"weight": torch.zeros(10**5)}, path),
    "checkpoint of many parts": lambda path: WholeFileIO().save_checkpoint(
        {str(i): torch.zeros(100) for i in range(1000)}, path
    ),
    "results": lambda path: write_json(path, {str(i): i for i in range(10**4)}),
    "predictions": write_events,
    "metrics": write_metrics,
    "features": write_features,
}


@needs_mount
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("fault", ["No space left on device", "Read-only file system"])
def test_a_file_that_cannot_be_written(writer, fault, tmp_path, told):
    with small_disk(tmp_path / "disk", 64 * 2**10) as disk:
        path = disk.folder / "folder" / "file"
        path.parent.mkdir()
        path.write_text("before")
        if fault.startswith("Read"):
            disk.become("ro")
        with pytest.raises(WriteError) as error:
            WRITERS[writer](path)
        assert str(error.value).startswith(f"{path}: cannot be written: {fault}")
        assert path.read_text() == "before"
        assert left_in(disk.folder) == ["folder/file"]
    told(f"{fault}: {writer}", "the file of before")


@needs_mount
def test_a_log_that_does_not_fit_says_so_once(tmp_path, told, capsys):
    root, lines = logging.getLogger(), logging.getLogger("avel.test")
    with small_disk(tmp_path / "disk", 2**14) as disk:
        handler = LogFile(disk.folder / "console.log", encoding="utf-8", delay=True)
        root.addHandler(handler)
        for _ in range(100):
            lines.warning("x" * 1000)
        assert handler not in root.handlers
        assert 0 < (disk.folder / "console.log").stat().st_size <= 2**14
    assert "Traceback" not in capsys.readouterr().err
    told("a tmpfs of 16 KiB, console.log", "the lines that fitted")
