"""What asks a run to end does not end its readers; what PyTorch says where one ends becomes one message."""

import subprocess
from multiprocessing import active_children

import pytest

from avel.data.workers import explained, heed_parent_only, told
from avel.errors import UserError
from tests.unit.data.numbers import epoch, loader

SUGGESTION = ". With data.loader.num_workers=0 the main process reads, and shows what fails"


def worker(text, cause=None):
    error = RuntimeError(f"DataLoader worker (pid 77) {text}")
    error.__cause__ = cause
    return error


def caught(kind, text):
    return (
        f"Caught {kind} in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n{kind}: {text}\n"
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (worker("is killed by signal: Killed. "), "has died (Killed): something killed it, most likely the machine"),
        (worker("exited unexpectedly", worker("is killed by signal: Killed. ")), "has died (Killed): something"),
        (worker("exited unexpectedly"), "has died: something killed it"),
        (worker("is killed by signal: Segmentation fault. "), f"has died (Segmentation fault){SUGGESTION}"),
        (worker("is killed by signal: Bus error. It is possible"), "has died (Bus error): the memory that processes"),
        (MemoryError(caught("MemoryError", "x")), "has failed (MemoryError: x): there is not enough memory"),
        (RuntimeError(caught("RuntimeError", "unable to mmap 8 bytes")), "(RuntimeError: unable to mmap 8 bytes): the"),
        (OSError(caught("OSError", "[Errno 24] Too many open files")), "files): too many files are open: raise the"),
        (ValueError(caught("ValueError", "x")), f"has failed (ValueError: x){SUGGESTION}"),
        (ValueError(caught("ValueError", "x\nand more")), f"has failed (ValueError: x){SUGGESTION}"),
        (ValueError(caught("ValueError", "Killed.npy")), f"has failed (ValueError: Killed.npy){SUGGESTION}"),
        (RuntimeError("Too many open files. Communication with the workers is no longer possible"), "lost: too many"),
        (RuntimeError("received 0 items of ancdata"), "has been lost: too many files are open: raise the"),
    ],
)
def test_the_end_of_a_process_is_explained(error, message):
    said = str(explained(error))
    assert said.startswith("a process that reads videos ahead has ")
    assert message in said
    assert said.endswith(SUGGESTION)


def test_reader_and_options_are_named():
    said = str(explained(worker("exited unexpectedly"), "train videos", "data.sets.desed.loader"))
    assert said.startswith("a process that reads train videos ahead has died: ")
    assert "With data.sets.desed.loader.num_workers=0" in said


def test_other_errors_are_left_alone():
    assert explained(RuntimeError("CUDA error: out of memory")) is None
    with pytest.raises(RuntimeError, match="CUDA error"), told():
        raise RuntimeError("CUDA error")


def test_a_death_in_the_middle_of_something_else_is_explained():
    with pytest.raises(UserError, match="has died"), told():
        raise worker("is killed by signal: Killed. ")


def test_only_the_parent_ends_a_process():
    reader = loader(workers=1, persistent_workers=True)
    reader.worker_init_fn = heed_parent_only
    others, whole = active_children(), epoch(loader(), 1)
    assert epoch(reader, 1) == whole
    (worker,) = [child for child in active_children() if child not in others]
    subprocess.run(f"for name in INT TERM USR1 USR2; do kill -$name {worker.pid}; done", shell=True, check=True)
    assert epoch(reader, 1) == whole
    while worker.is_alive():  # one signal may be lost in another that has not been heard yet
        worker.terminate()
        worker.join(1)
    assert worker.exitcode == 0
    reader.close()
