"""Names and numbers in files of text."""

from __future__ import annotations

import math
import unicodedata
from decimal import Decimal
from functools import lru_cache

UNWRITABLE = {"Cc", "Cs"}
"""Unicode categories of what no text file should hold: control characters and halves of characters."""
NO_CHARACTERS = "\ufffe\uffff"
"""What XML forbids besides."""


@lru_cache(maxsize=4096)
def shown(label: str) -> str:
    """Return a name as one line that any file of text can hold: never empty, no blanks around it."""
    line = " ".join(label.split())  # at line breaks of any kind, too
    written = "".join(
        sign for sign in line if unicodedata.category(sign) not in UNWRITABLE and sign not in NO_CHARACTERS
    )
    return " ".join(written.split()) or "unnamed"


def decimals(seconds: float) -> str:
    """Write a number without an exponent, with six decimals and as many more as it takes to be exact."""
    whole, _, fraction = f"{Decimal(repr(float(seconds))):f}".partition(".")
    return f"{whole}.{fraction:0<6}"


def parse_number(text: str) -> float:
    """Parse a number, with a decimal point or, as some programs write in some countries, a decimal comma.

    Raises:
        ValueError: it is none, or not finite.
    """
    value = float(text.strip().replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(f"{text!r} must be a finite number")
    return value
