"""What the options of a data set are called in messages, where it is one among several."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from avel.errors import UserError

KEY = re.compile(r"(?<![\w./\\-])data\.(?!sets\.|selection_split|predict_split|(?:json|csv|tsv|txt|eaf|npy|h5|gz)\b)")
"""What begins the name of an option (and of no file) where a data set is alone, and which a set has among several."""


def name_options_of(task: str, text: str) -> str:
    """Call options of a task's data set `data.sets.TASK.NAME`; as they are where the task has no name, ""."""
    return KEY.sub(f"data.sets.{task}.", text) if task else text


@contextmanager
def naming_options_of(task: str) -> Iterator[None]:
    """Name options in messages of a task's data set as they are called here: `data.sets.desed.held_out`.

    The options of a data set whose task has no name, "", are called what it calls them.
    """
    try:
        yield
    except UserError as error:
        raise UserError(name_options_of(task, str(error))) from error
