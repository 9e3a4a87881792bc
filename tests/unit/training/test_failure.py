import pytest

from avel.errors import UserError
from avel.training.failure import forget_failure, noted, read_failure, write_failure


def test_why_a_run_failed_is_kept_until_it_begins_again(tmp_path):
    assert read_failure(tmp_path) is None
    try:
        raise KeyError("x")
    except KeyError as error:
        write_failure(tmp_path, error, "there is no x")
    assert read_failure(tmp_path) == "there is no x"
    assert "test_failure.py" in (tmp_path / "traceback.txt").read_text()
    forget_failure(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_wrote_is_removed_and_that_of_runs_below_is_not(tmp_path):
    torn = [
        tmp_path / name for name in (".a.part", "checkpoints/.b.part", "predictions/.c.part", "predictions/x/.d.part")
    ]
    other = tmp_path / "run" / "checkpoints" / ".last.ckpt.part"
    for path in (*torn, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    forget_failure(tmp_path)
    assert [*tmp_path.rglob(".*.part")] == [other]


def fail(folder, error):
    with pytest.raises(type(error)), noted(folder, str):
        raise error


def test_a_failure_is_noted_in_a_file_and_as_the_last_line_of_the_log(tmp_path):
    (tmp_path / "console.log").write_text("epoch 1\n")
    fail(tmp_path, UserError("a.npy: is damaged"))
    assert read_failure(tmp_path) == "a.npy: is damaged"
    assert (tmp_path / "console.log").read_text() == "epoch 1\nerror: a.npy: is damaged\n"


def test_the_first_rank_repeats_what_another_has_noted(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    fail(tmp_path, UserError("a.npy: is damaged"))
    assert not (tmp_path / "console.log").exists()
    monkeypatch.setenv("RANK", "0")
    fail(tmp_path, RuntimeError("gloo: connection closed"))
    assert read_failure(tmp_path) == "a.npy: is damaged"
    assert (tmp_path / "console.log").read_text() == "error: a.npy: is damaged\n"


def test_a_full_disk_does_not_hide_what_failed(tmp_path):
    (tmp_path / "file").touch()
    fail(tmp_path / "file", UserError("x"))  # no folder: nothing can be written
