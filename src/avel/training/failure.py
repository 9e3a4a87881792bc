"""What a run leaves behind that came to grief: `failed.json` and `traceback.txt`."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from avel.training.files import write_json, write_text

FAILED, TRACEBACK = "failed.json", "traceback.txt"


def write_failure(folder: Path, error: BaseException, message: str) -> None:
    """Say why a run failed (on rank 0).

    Args:
        folder: the run folder.
        error: what was raised.
        message: the same for people.
    """
    write_text(folder / TRACEBACK, "".join(traceback.format_exception(error)))
    write_json(folder / FAILED, {"error": type(error).__name__, "message": message, "traceback": TRACEBACK})


@rank_zero_only
def forget_failure(folder: Path) -> None:
    """Remove what an earlier attempt left: the run begins again (on rank 0)."""
    for name in (FAILED, TRACEBACK):
        (folder / name).unlink(missing_ok=True)


def read_failure(folder: Path) -> str | None:
    """Return why a run failed, None where it did not."""
    try:
        return str(json.loads((folder / FAILED).read_text(encoding="utf-8"))["message"])
    except FileNotFoundError:
        return None
