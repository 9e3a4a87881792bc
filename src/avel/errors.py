"""The one error that a user is meant to read."""

from __future__ import annotations

from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend: the message names the file or key, what is wrong with it and what to do."""


def check_choice(key: str, value: str, choices: Iterable[str]) -> None:
    """Raise a UserError unless `value` is one of the `choices` that `key` has."""
    if value not in choices:
        raise UserError(f"{key}={value}: unknown, choose one of {', '.join(choices)}")


def check_flag(key: str, value: object) -> None:
    """Raise a UserError unless `value` is a truth value: "no" from a command line is a word, which counts as true."""
    if not isinstance(value, bool):
        raise UserError(f"{key}={value}: must be true or false")


def readable(text: str, length: int = 120) -> str:
    """Make text of a file fit for a message: cut, and without signs that a terminal would obey."""
    shown = text if text.isprintable() else ascii(text[:length])
    return shown if len(shown) <= length else f"{shown[:length]}…"
