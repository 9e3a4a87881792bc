import errno
import os
import resource
import subprocess
import sys
from contextlib import suppress

import pytest
import torch

from avel.errors import UserError
from avel.files import WriteError, check_links, check_space, open_regular, tells_apart, whole_file


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with whole_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with suppress(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_of_the_same_file_do_not_meet(tmp_path):
    path = tmp_path / "file.txt"
    with whole_file(path) as first, whole_file(path) as second:
        first.write_text("one")
        second.write_text("other")
    assert path.read_text() == "one"  # whose block ended last
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_leaves_the_other_alone(tmp_path):
    path = tmp_path / "file.txt"
    with whole_file(path) as first:
        with suppress(RuntimeError), whole_file(path):
            raise RuntimeError
        first.write_text("one")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_who_is_interrupted_behind_the_renaming_keeps_the_new_file(tmp_path, monkeypatch):
    def interrupt(*paths):
        replace(*paths)
        raise KeyboardInterrupt

    path, replace = tmp_path / "file.txt", os.replace
    path.write_text("old")
    monkeypatch.setattr(os, "replace", interrupt)
    with suppress(KeyboardInterrupt), whole_file(path) as temporary:
        temporary.write_text("all of the new")
    assert path.read_text() == "all of the new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    path, left = tmp_path / "file.txt", tmp_path / ".file.txt.part"
    program = f"""
import os, pathlib
from avel.files import whole_file
with whole_file(pathlib.Path({str(path)!r})) as temporary:
    temporary.write_text("a long half of the file")
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program])
    assert left.is_file()
    with whole_file(path) as temporary:
        assert temporary == left
        temporary.write_text("all")
    assert path.read_text() == "all"
    assert list(tmp_path.iterdir()) == [path]


def test_a_durable_file_is_as_any_other(tmp_path):
    with whole_file(tmp_path / "file.txt", durable=True) as temporary:
        temporary.write_text("all")
    assert (tmp_path / "file.txt").read_text() == "all"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_where_there_is_no_room_the_message_says_so(tmp_path, number):
    path = tmp_path / "file.txt"
    path.write_text("old")
    said = rf"^{path}: cannot be written: {os.strerror(number)} \(.* MiB are free, .* has"
    with pytest.raises(WriteError, match=said), whole_file(path):
        raise OSError(number, os.strerror(number))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_library_that_does_not_tell_why_it_failed_is_asked_no_more(tmp_path):
    """A larger file may not be: the error of the library is no OSError, and has no number."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**12, limits[1]))
    try:
        with pytest.raises(WriteError, match="File too large"), whole_file(tmp_path / "file") as temporary:
            torch.save(torch.zeros(10**4), temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["file/below", "folder", "n" * 300])
def test_where_no_file_can_be_the_message_says_so(tmp_path, path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    said = rf"{path}: cannot be written: .*: choose another place"
    with pytest.raises(WriteError, match=said), whole_file(tmp_path / path) as temporary:
        temporary.touch()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_errors_of_something_else_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.txt"), whole_file(tmp_path / "file"):
        (tmp_path / "none.txt").read_text()
    assert not list(tmp_path.iterdir())


def test_room_is_asked_for(tmp_path):
    check_space(tmp_path / "file", 1)
    with pytest.raises(WriteError, match=r"file: needs 1073741824\.0 GiB, the disk has"):
        check_space(tmp_path / "file", 2**60)


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_nothing_is_written_through_a_link(tmp_path, link):
    """In a folder of others, what looks like the rest of a killed process may lead elsewhere."""
    private, path = tmp_path / "private", tmp_path / "shared" / "file.txt"
    private.write_text("mine")
    path.parent.mkdir()
    part = path.with_name(".file.txt.part")
    part.symlink_to(private) if link == "symbolic" else part.hardlink_to(private)
    path.symlink_to(private)
    with whole_file(path) as temporary:
        temporary.write_text("new")
    assert (path.read_text(), path.is_symlink()) == ("new", False)
    assert private.read_text() == "mine"


def test_only_regular_files_are_opened_and_none_makes_us_wait(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("file", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"
    for name in ("pipe", "zeros", "absent", "."):
        with pytest.raises(OSError, match=r"."):
            open_regular(tmp_path / name)


def test_links_that_lead_elsewhere_are_refused(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "latest").symlink_to(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "log").symlink_to(tmp_path / "file")
    check_links((tmp_path / "run").rglob("*"))
    (tmp_path / "run" / "predictions").symlink_to(tmp_path)
    with pytest.raises(UserError, match="predictions: is a link to another place"):
        check_links((tmp_path / "run").rglob("*"))


def test_names_are_told_apart_as_the_disk_does(tmp_path):
    assert tells_apart(tmp_path / "new", "a", "b")
    assert not tells_apart(tmp_path, "a", "a")
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]
