import logging
import warnings

import pytest
import rich
import torch

from avel.errors import UserError
from avel.files import WriteError
from avel.training.checkpointing import LastCheckpoint
from avel.training.console import EpochProgress, Terminal, newest, writing_files
from avel.training.tables import score_table
from tests.unit.training.scored import fit


@pytest.fixture
def terminal(tmp_path):
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with warnings.catch_warnings():
        yield Terminal(tmp_path / "console.log")
    logging.captureWarnings(False)
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level
    rich.reconfigure()


def test_what_is_shown_is_in_the_log_too(terminal, tmp_path, capsys):
    assert not terminal.log_file.exists()
    logging.getLogger("avel.any").info("a record")
    warnings.warn("a warning", stacklevel=1)
    terminal.show("[bold]a line[/]", score_table({"ccnet": {"map": 0.5}}, "test"))
    shown, kept = capsys.readouterr().out, terminal.log_file.read_text()
    for expected in ("a record", "a warning", "a line", "50.00"):
        assert expected in shown
        assert expected in kept
    assert "\x1b" not in kept


def test_a_second_terminal_replaces_the_first(terminal, tmp_path):
    second = Terminal(tmp_path / "second.log")
    second.keep()
    logging.getLogger("avel.any").info("for the second")
    assert "for the second" in second.log_file.read_text()
    assert not terminal.log_file.exists()


def test_a_run_that_is_refused_leaves_no_log(terminal):
    logging.getLogger("avel.any").warning("odd")
    assert not terminal.log_file.exists()
    terminal.keep()
    logging.getLogger("avel.any").warning("odder")
    assert [line.split()[-1] for line in terminal.log_file.read_text().splitlines()] == ["odd", "odder"]


def test_a_fit_shows_a_line_per_epoch_and_nothing_else(terminal, capsys):
    terminal.keep()
    fit(EpochProgress(), scores=[0.25, 0.5])
    lines = terminal.log_file.read_text().splitlines()
    assert [line[: line.index("  lr")] for line in lines] == ["epoch   1/2  loss 3.0000", "epoch   2/2  loss 7.0000"]
    assert ["val mAP 0.2500" in lines[0], "val mAP 0.5000" in lines[1]] == [True, True]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_loss_of_tasks_by_turns_is_their_mean():
    logged = {"train/loss": 3.0, "train/a/loss": 1.0, "train/b/loss": 3.0, "train/b/regression_loss": 7.0, "lr": 0.1}
    values = newest({name: torch.tensor(value) for name, value in logged.items()})
    assert values["train/loss"] == 2
    assert values.keys() == logged.keys()
    assert newest({"train/loss": torch.tensor(3.0)}) == {"train/loss": 3}


def test_a_log_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "private").write_text("mine")
    (tmp_path / "console.log").symlink_to(tmp_path / "private")
    with pytest.raises(UserError, match=r"console\.log: is a link"):
        Terminal(tmp_path / "console.log")
    assert (tmp_path / "private").read_text() == "mine"


def test_a_file_that_cannot_be_written_ends_with_what_is_left(tmp_path):
    said = r"^x: cannot be written\nthere is no checkpoint yet: repeat the command$"
    with pytest.raises(UserError, match=said), writing_files(tmp_path):
        raise WriteError("x: cannot be written")
    fit(LastCheckpoint(tmp_path / "checkpoints"), scores=[0.1])
    for resume, how in ((None, r"ckpt_path=.*last\.ckpt"), ("auto", "the same command"), ("restart", "resume=auto")):
        said = rf"last\.ckpt is whole \(epoch 1, step 4\): .*{how}"
        with pytest.raises(UserError, match=said), writing_files(tmp_path, resume):
            raise WriteError("x: cannot be written")
