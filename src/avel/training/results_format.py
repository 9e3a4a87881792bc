"""What `results.json` may say, checked where it is read: it may come from others, or be cut off or edited."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from avel.errors import UserError

Check = Callable[[Any], bool]


def check_results(document: Mapping[str, Any], path: Path) -> None:
    """Raise a UserError where a known key has a value that no run writes; which keys there must be, readers say.

    Args:
        document: what the file says.
        path: the file.
    """
    _check_keys(document, KEYS, path)
    parts = document.get("tasks", {})
    if not isinstance(parts, dict) or not all(is_text(task) and isinstance(part, dict) for task, part in parts.items()):
        raise UserError(f"{path}: 'tasks' must hold a section for each task: repeat the run's test")
    for part in (document, *parts.values()):
        _check_keys(part, KEYS_OF_DATA, path)
    baselines = document.get("baselines", {})
    if not (_by_name(baselines, _by_score) if parts else _by_score(baselines)):
        raise UserError(f"{path}: 'baselines' must be numbers by name of baseline and score: repeat the run's test")


def _check_keys(section: Mapping[str, Any], keys: Mapping[str, tuple[Check, str]], path: Path) -> None:
    for name in keys.keys() & section.keys():
        fits, what = keys[name]
        if not fits(section[name]):
            raise UserError(f"{path}: {name!r} must be {what}: repeat the run's test")


def is_text(value: Any) -> bool:
    """Whether a value is text that can be written to a file: without halves of surrogate pairs."""
    return isinstance(value, str) and not any("\ud800" <= sign <= "\udfff" for sign in value)


def is_number(value: Any) -> bool:
    """Whether a value is a number, which may be NaN and is not infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) > sys.float_info.max


def _text_or_null(value: Any) -> bool:
    return value is None or is_text(value)


def _number_or_null(value: Any) -> bool:
    return value is None or is_number(value)


def _flag_or_null(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_text, value))


def _by_name(value: Any, check: Check) -> bool:
    return isinstance(value, dict) and all(is_text(name) and check(part) for name, part in value.items())


def _numbers_by_name(value: Any) -> bool:
    return _by_name(value, _number_or_null)  # null: not defined


def _texts_by_name(value: Any) -> bool:
    return _by_name(value, is_text)


def _by_score(value: Any) -> bool:
    return _by_name(value, _numbers_by_name)


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        type(value.get(name)) is int and 0 <= value[name] < 2**53 for name in ("evaluated", "annotated")
    )


def _grid(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(is_number(number) and 0 < number <= 1 for number in value)


TEXT = (
    *("experiment", "method", "data", "size", "protocol", "supervision", "stage", "split", "monitor"),
    *("selection_split", "resting_split", "ckpt_path", "git_commit", "finished"),
)
KEYS: Mapping[str, tuple[Check, str]] = {name: (_text_or_null, "text or null") for name in TEXT} | {
    "seed": (lambda value: type(value) is int, "a whole number"),
    "selection_score": (_number_or_null, "a number or null"),
    "seconds": (is_number, "a number"),
    "parameters": (is_number, "a number"),
    "peak_memory_mib": (is_number, "a number"),
    "overrides": (_texts, "a list of texts"),
    "metrics": (_numbers_by_name, "numbers by name"),
    "versions": (_texts_by_name, "texts by name"),
}
"""Key of a run -> whether a value can be what it says, and what that is."""

KEYS_OF_DATA: Mapping[str, tuple[Check, str]] = {
    "videos": (_counts, "two whole numbers, evaluated and annotated"),
    "tiou_grid": (_grid, "a list of numbers above 0, up to 1"),
    "features": (_text_or_null, "text or null"),
    "modality": (_text_or_null, "text or null"),
    "splits": (_text_or_null, "text or null"),
    "synthetic": (_flag_or_null, "true, false or null"),
    "drop_leaked": (_flag_or_null, "true, false or null"),
}
"""The same of a data set: a key of the run or, where it has several tasks, of each of them."""
