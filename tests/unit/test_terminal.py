import logging
import pickle

import pytest
from rich.console import Console

from avel.errors import UserError, harmless
from avel.terminal import HarmlessFormatter, escape

OBEYED = "\x1b[31m\x1b]0;title\x07 \r\x9b2J\x00\x7f \u202ebtxt.exe\u2066 \ud800"
SHOWN = r"\x1b[31m\x1b]0;title\x07 \r\x9b2J\x00\x7f \u202ebtxt.exe\u2066 \ud800"


def test_what_a_terminal_would_obey_is_shown():
    assert harmless(OBEYED) == SHOWN
    for name in ("a\tb\nc", "Ünïcödé", "🐕\u200d🦺", "می\u200cخواهم", "non\xa0breaking"):
        assert harmless(name) == name


def test_messages_and_records_are_harmless():
    error = UserError(f"video {OBEYED}")
    assert str(error) == str(pickle.loads(pickle.dumps(error))) == f"video {SHOWN}"
    record = logging.LogRecord("avel", logging.INFO, "a.py", 1, "video %s", (OBEYED,), None)
    assert HarmlessFormatter("%(message)s").format(record) == f"video {SHOWN}"


@pytest.mark.parametrize("name", ["[red]a[/red]", "[link=file:///etc/passwd]x[/link]", "a[b", r"\[bold]", ":smile"])
def test_nothing_in_a_name_is_markup(name, capsys):
    Console(highlight=False, width=80).print(f"[bold]{escape(name)}[/]{escape(OBEYED)}", soft_wrap=True)
    assert capsys.readouterr().out == f"{name}{SHOWN}\n"
