"""A process that reads ahead dies or fails: the run ends, with one message that says what is likely."""

import json
import signal

import pytest
import torch

from tests.synthetic import TINY, write_tiny, write_tiny_dense

pytestmark = pytest.mark.slow

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.loader.batch_size=2")
MACHINE = "something killed it, most likely the machine because its memory was full"
SHARED = "the memory that processes share (/dev/shm) is full"
FAULTS = {
    "SIGKILL": f"has died (Killed): {MACHINE}",
    "SIGSEGV": "has died (Segmentation fault)",
    "SIGBUS": f"has died (Bus error): {SHARED}",
    "SIGKILL, unheard": f"has died: {MACHINE}",
    "OSError": f"has failed (OSError: No space left on device: '/torch_1_2'): {SHARED}",
}


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    folder = write_tiny(tmp_path_factory.mktemp("data"))
    return ("experiment=ccnet_unav100", *TINY, "trainer.max_epochs=2", f"paths.data_dir={folder}")


def faulty(split, fault, *extra):
    where = "+callbacks.fault"
    return (
        f"{where}._target_=tests.faults.dying_workers.WorkerFault",
        *(f"{where}.split={split}", f"{where}.fault={fault}", "data.loader.num_workers=2", *extra),
    )


def assert_said(done, folder, start):
    """The message is on the terminal once, and the same in the run folder."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr, done.stderr
    shown = done.stderr.replace("\0", "")  # PyTorch writes it behind a message of its own
    said = [line for line in shown.splitlines() if line.startswith(f"error: {start}")]
    assert len(said) == 1, done.stderr
    assert said[0].endswith("num_workers=0 the main process reads, and shows what fails")
    assert json.loads((folder / "failed.json").read_text())["message"] == said[0].removeprefix("error: ")
    assert (folder / "console.log").read_text().splitlines()[-1] == said[0]


@pytest.mark.parametrize(
    ("split", "fault"),
    [("train", "SIGKILL"), ("train", "SIGBUS"), ("train", "OSError"), ("validation", "SIGSEGV"), ("test", "SIGKILL")],
)
def test_the_run_says_what_is_likely(run_py, options, tmp_path, told, split, fault):
    done = run_py(*options, *faulty(split, fault), f"hydra.run.dir={tmp_path}")
    said = FAULTS[f"{fault}, unheard" if split == "test" else fault]  # after a fit, PyTorch no longer hears of signals
    assert_said(done, tmp_path, f"a process that reads {split} videos ahead {said}")
    assert done.returncode == 2
    kept = sorted(path.name for path in (tmp_path / "checkpoints").glob("*.ckpt"))
    assert ("last.ckpt" in kept) == (split == "test")
    told(f"{fault} in a process that reads {split} videos", f"named error, exit code 2, checkpoints: {kept or 'none'}")


def test_a_process_dies_while_nobody_waits_for_it(run_py, options, tmp_path, told):
    kill = "+callbacks.fault._target_=tests.faults.dying_workers.KillInValidation"
    done = run_py(*options, kill, "data.loader.num_workers=2", f"hydra.run.dir={tmp_path}")
    assert_said(done, tmp_path, f"a process that reads videos ahead has died (Killed): {MACHINE}")
    told("SIGKILL of a process that reads train videos, in the validation", "named error, exit code 2")


@pytest.mark.parametrize("rank", [0, 1])
def test_several_processes_end_together(run_py, options, tmp_path, told, rank):
    fault = faulty("train", "SIGKILL", *TWO, f"+callbacks.fault.rank={rank}")
    done = run_py(*options, *fault, f"hydra.run.dir={tmp_path}")
    assert_said(done, tmp_path, "a process that reads train videos ahead has died (Killed)")
    told(f"SIGKILL of a process that reads for rank {rank} of 2", "both ranks ended, one named error")


def test_the_set_is_named_where_there_are_several(run_py, tmp_path, told):
    data = write_tiny(tmp_path / "data")
    write_tiny_dense(data, "desed", features="one_peace")
    sets = [f"data.sets.{name}" for name in ("unav100", "desed")]
    small = (f"{name}.{option}" for name in sets for option in ("max_length=64", "loader.batch_size=4"))
    fault, run = "+callbacks.fault", tmp_path / "run"
    done = run_py(
        *("experiment=uniav_multitask", "tasks=[unav100,desed]", "size=narrow", f"paths.data_dir={data}", *small),
        *(f"{fault}._target_=tests.faults.dying_workers.WorkerFault", f"{fault}.split=train", f"{fault}.fault=SIGKILL"),
        *(f"{fault}.task=desed", "data.sets.desed.loader.num_workers=1", f"hydra.run.dir={run}"),
    )
    assert_said(done, run, "a process that reads train videos ahead has died (Killed)")
    assert "With data.sets.desed.loader.num_workers=0" in done.stderr
    told("SIGKILL of a process that reads one of two sets", "named error with the set's option")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
@pytest.mark.parametrize("step", [4, "null"])
def test_a_signal_to_all_processes_is_answered_by_the_main_one_alone(run_py, options, tmp_path, told, step, name):
    ask = (f"+callbacks.ask.step={step}", f"+callbacks.ask.name={name}", "data.loader.num_workers=2")
    asked = "+callbacks.ask._target_=tests.faults.dying_workers.AskEveryProcess"
    done = run_py(*options, asked, *ask, f"hydra.run.dir={tmp_path}")
    assert (done.returncode, done.stderr) == (128 + signal.Signals[name], "")
    assert f"{name}: go on with the same command and ckpt_path=" in done.stdout
    assert not (tmp_path / "failed.json").exists()
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == (6 if step == "null" else 4)
    where = "in the test" if step == "null" else f"after step {step}"
    told(f"{name} for all processes, {where}", f"checkpoint of step {last['global_step']}, no reader died before")
