"""Text and JSON that appear whole or not at all, written by rank 0."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from avel.files import whole_file


@rank_zero_only
def write_text(path: Path, text: str) -> None:
    """Write a text file (on rank 0) that outlasts a power failure."""
    with whole_file(path, durable=True) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file that people can read (on rank 0); a number that is none (NaN) or infinite becomes null."""
    write_text(path, json.dumps(_without_nan(document), indent=2, allow_nan=False) + "\n")


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
