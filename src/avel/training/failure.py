"""What a run leaves behind that came to grief: `failed.json` and `traceback.txt`."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from avel.files import whole_file
from avel.training.ranks import is_of_another, rank

FAILED, TRACEBACK, LOG = "failed.json", "traceback.txt", "console.log"

TORN = (".*.part", "checkpoints/.*.part", "predictions/**/.*.part")
"""What a run that was killed while it wrote leaves; deeper down there may be other runs."""


@contextmanager
def noted(folder: Path, explain: Callable[[BaseException], str]) -> Iterator[None]:
    """Leave in a run folder why the run failed: in `failed.json`, and as the last line of `console.log`.

    Any rank does so whose fault it is. Rank 0, which hears of it, adds the line.

    Args:
        folder: the run folder.
        explain: says for people what an error means.
    """
    try:
        yield
    except Exception as error:
        with suppress(OSError):  # the disk may be what is wrong
            if not is_of_another(error):
                write_failure(folder, error, explain(error))
            if rank() == 0 and (message := read_failure(folder)):
                with (folder / LOG).open("a", encoding="utf-8") as log:
                    print(f"error: {message}", file=log)
        raise


def write_failure(folder: Path, error: BaseException, message: str) -> None:
    """Say why a run failed.

    Args:
        folder: the run folder.
        error: what was raised.
        message: the same for people.
    """
    said = {"error": type(error).__name__, "message": message, "traceback": TRACEBACK}
    texts = {TRACEBACK: "".join(traceback.format_exception(error)), FAILED: json.dumps(said, indent=2) + "\n"}
    for name, text in texts.items():
        with whole_file(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


@rank_zero_only
def forget_failure(folder: Path) -> None:
    """Remove what an earlier attempt left: the run begins again (on rank 0)."""
    for name in (FAILED, TRACEBACK):
        (folder / name).unlink(missing_ok=True)
    for torn in chain.from_iterable(map(folder.glob, TORN)):
        torn.unlink(missing_ok=True)


def read_failure(folder: Path) -> str | None:
    """Return why a run failed, None where it did not."""
    try:
        return str(json.loads((folder / FAILED).read_text(encoding="utf-8"))["message"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{folder / FAILED} is damaged"
