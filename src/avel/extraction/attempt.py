"""Working on one of many files: whatever is wrong with it is put down, and the others go on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from avel.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempt(Generic[T]):
    """What came of work on a file.

    Attributes:
        result: what it gave; None if it failed.
        error: why it failed; "" if it did not.
        warnings: what was wrong with the file all the same, each said once.
    """

    result: T | None
    error: str
    warnings: tuple[str, ...]


def attempt(path: Path, work: Callable[[], T]) -> Attempt[T]:
    """Do some work on a file and catch its errors and warnings."""
    result, error = None, ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = work()
        except UserError as known:
            error = str(known)
        except Exception as unforeseen:  # files are broken in ways that nobody thought of
            error = f"{path}: {type(unforeseen).__name__}: {unforeseen}"
    return Attempt(result, error, tuple(dict.fromkeys(str(warning.message) for warning in caught)))
