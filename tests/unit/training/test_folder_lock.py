import errno
import fcntl
import os
import socket
import subprocess
import sys

import pytest

from avel.errors import UserError
from avel.training.folder_lock import LOCK, FolderInUse, held, take_along

HOLD = """
import sys
from pathlib import Path
from avel.training.folder_lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def another(tmp_path):
    """Another process that holds the folder until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_is_held_for_as_long_as_the_block_lasts(tmp_path):
    with held(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()} {socket.gethostname()}\n"
    assert not list(tmp_path.iterdir())


def test_another_process_is_named_and_a_killed_one_holds_nothing(another, tmp_path):
    with pytest.raises(FolderInUse) as refused, held(tmp_path):
        pass
    assert f"{tmp_path}: process {another.pid} on {socket.gethostname()} works in it" in str(refused.value)
    assert f"remove {tmp_path / LOCK}" in str(refused.value)

    another.kill()
    another.wait()
    assert (tmp_path / LOCK).exists()
    with held(tmp_path):
        assert (tmp_path / LOCK).read_text().startswith(f"{os.getpid()} ")


def test_what_takes_the_place_of_a_folder_is_held_in_its_stead(another, tmp_path):
    aside = tmp_path / "aside"
    aside.mkdir()
    take_along(tmp_path, aside)
    with held(tmp_path), pytest.raises(FolderInUse, match=f"process {another.pid}"), held(aside):
        pass
    take_along(tmp_path, aside / "nowhere")  # nothing was there to be taken


def test_a_file_that_its_holder_removes_meanwhile_is_no_lock(tmp_path, monkeypatch):
    tries = []

    def lock(file, how):
        tries.append(file)
        if len(tries) == 1:
            (tmp_path / LOCK).unlink()

    monkeypatch.setattr(fcntl, "lockf", lock)
    with held(tmp_path):
        assert (tmp_path / LOCK).read_text().startswith(f"{os.getpid()} ")
    assert len(tries) == 2


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, caplog):
    def lock(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", lock)
    with held(tmp_path):
        pass
    assert "cannot be locked (No locks available): start no second run" in caplog.text
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_others_out_without_a_name(tmp_path, monkeypatch):
    def write(descriptor, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    with held(tmp_path):
        assert (tmp_path / LOCK).read_text() == ""
    assert not list(tmp_path.iterdir())


def test_a_link_is_not_written_through(tmp_path):
    (tmp_path / "private").write_text("mine")
    (tmp_path / LOCK).symlink_to("private")
    with pytest.raises(UserError, match=r"\.lock: is a link"), held(tmp_path):
        pass
    assert (tmp_path / "private").read_text() == "mine"


def test_other_ranks_hold_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with held(tmp_path):
        assert not list(tmp_path.iterdir())
