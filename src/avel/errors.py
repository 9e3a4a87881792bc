"""The one error that a user is meant to read."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable

OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but line break and tab, what changes the direction of writing, and halves of characters."""

LONGEST = 1000
"""Characters of a line of a message at most."""


class UserError(Exception):
    """Something the user can mend: the message names the file or key, what is wrong with it and what to do.

    Names of others in it may hold anything: the message is `harmless`, and its lines are not endless.
    """

    def __init__(self, message: str) -> None:
        super().__init__("\n".join(map(shorten, harmless(message).split("\n"))))


def check_choice(key: str, value: str, choices: Iterable[str]) -> None:
    """Raise a UserError unless `value` is one of the `choices` that `key` has."""
    if value not in choices:
        raise UserError(f"{key}={value}: unknown, choose one of {', '.join(choices)}")


def check_flag(key: str, value: object) -> None:
    """Raise a UserError unless `value` is a truth value: "no" from a command line is a word, which counts as true."""
    if not isinstance(value, bool):
        raise UserError(f"{key}={value}: must be true or false")


def check_count(key: str, value: object, least: int = 1, most: int | None = None, *, optional: bool = False) -> None:
    """Raise a UserError unless `value` is a whole number from `least` to `most` (None: any), or None if `optional`."""
    if optional and value is None:
        return
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= (value if most is None else most):
        return
    end = "on" if most is None else f"to {most}"
    raise UserError(f"{key}={value}: give a whole number from {least} {end}{', or null' * optional}")


def check_number(
    key: str,
    value: object,
    least: float = 0.0,
    most: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
    optional: bool = False,
) -> None:
    """Raise a UserError unless `value` is a finite number in a range.

    Args:
        key: its name.
        value: what was given.
        least: smallest number of the range.
        most: largest number of the range.
        above: `least` itself is too small.
        below: `most` itself is too large.
        optional: None is as good.
    """
    if optional and value is None:
        return
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    inside = least <= number <= most and not (above and number == least) and not (below and number == most)
    if inside and abs(number) <= sys.float_info.max:
        return
    start = f"above {least:g}" if above else f"from {least:g}{' on' * (below or most == math.inf)}"
    end = "" if most == math.inf else f", below {most:g}" if below else f"{', at most' if above else ' to'} {most:g}"
    raise UserError(f"{key}={value}: give a number {start}{end}{', or null' * optional}")


def harmless(text: str) -> str:
    r"""Write what a terminal would obey, or could not show, as an escape like `\x1b`."""
    return OBEYED.sub(lambda sign: ascii(sign[0])[1:-1], text)


def shorten(line: str) -> str:
    """Leave out the middle of a line that nobody would read; what to do is said at its end."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 4 :]}"


def readable(text: str, length: int = 120) -> str:
    """Make text of a file fit for a message: cut, and without signs that a terminal would obey."""
    shown = text if text.isprintable() else ascii(text[:length])
    return shown if len(shown) <= length else f"{shown[:length]}…"
