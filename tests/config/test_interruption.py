import signal
from types import SimpleNamespace

import pytest

from avel.data.workers import ctrl_c_held
from avel_run.interruption import answering_ctrl_c, interruptible


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_ends_a_command_with_a_word(capsys):
    with pytest.raises(SystemExit) as ended:
        interruptible(interrupt)()
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "interrupted\n")


def test_one_of_several_processes_says_it(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit):
        interruptible(interrupt)()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("interrupted", "kind"), [(True, KeyboardInterrupt), (False, SystemExit)])
def test_a_trainer_that_exits_at_ctrl_c_is_told_from_one_that_exits(interrupted, kind):
    with pytest.raises(kind), answering_ctrl_c(SimpleNamespace(interrupted=interrupted)):
        raise SystemExit(1)


def test_ctrl_c_that_is_held_back_comes_later():
    reached = []

    def work():
        with ctrl_c_held():
            interrupt()
            reached.append("end")

    pytest.raises(KeyboardInterrupt, work)
    assert reached == ["end"]
