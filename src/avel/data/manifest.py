"""The manifest of a folder of features: which files belong to a video, and where their snippets lie in time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from avel.batch import TimeGrid
from avel.data.annotations import read_json
from avel.data.features import FeatureFamily
from avel.errors import UserError
from avel.provenance import Provenance, provenance_of

NAME = "manifest.json"

EXAMPLE = (
    'for example\n{"visual": ["_visual.npy"], "audio": ["_audio.npy"], "fps": 16, "stride": 4, "window": 16}\nif video'
    " abc has the files abc_visual.npy and abc_audio.npy, and their row t saw frames 4 t to 4 t + 15 of 16 a second"
)

LONGEST = 512
"""Snippets of a training sample at most, where nothing else is said."""


def read_manifest(folder: Path) -> FeatureFamily:
    """Read what the files of a folder are.

    `manifest.json` holds `visual` and `audio`, the endings of a video's files, `fps`, `stride` and `window`, see
    `TimeGrid`, and, where names begin with one, `prefix`; whatever else it holds is for others.

    Raises:
        UserError: there is no manifest, or something in it is missing or impossible.
    """
    path = folder / NAME
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of features (data.feature_dir)")
    if not path.is_file():
        raise UserError(f"{path}: no such file: say in it how the features were made, {EXAMPLE}")
    document = read_json(path)
    if not isinstance(document, dict):
        raise UserError(f"{path}: must be a JSON object, {EXAMPLE}")
    fps, stride, window = (_positive(document, key, path) for key in ("fps", "stride", "window"))
    visual, audio = (_endings(document, key, path) for key in ("visual", "audio"))
    if not visual:
        raise UserError(
            f'{path}: "visual" is empty: without pictures, repeat "audio" there and set data.modality=audio'
        )
    if not isinstance(prefix := document.get("prefix", ""), str):
        raise UserError(f'{path}: "prefix" is {prefix!r}, must be a string')
    return FeatureFamily(
        visual=visual,
        audio=audio,
        grid=TimeGrid(fps=fps, stride=stride, window=window),
        max_length=LONGEST,
        folder="",
        prefix=prefix,
    )


def read_provenance(folder: Path) -> Provenance:
    """Read what a manifest, which `read_manifest` has read before, says of how the features were made."""
    return provenance_of(read_json(folder / NAME))


def _positive(document: dict[str, Any], key: str, path: Path) -> float:
    value = document.get(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf:
        return value
    raise UserError(f'{path}: "{key}" is {value!r}, must be a positive number, {EXAMPLE}')


def _endings(document: dict[str, Any], key: str, path: Path) -> tuple[str, ...]:
    value = document.get(key)
    if isinstance(value, list) and all(isinstance(ending, str) and ending.endswith(".npy") for ending in value):
        return tuple(value)
    raise UserError(f'{path}: "{key}" is {value!r}, must be a list of endings of .npy files, {EXAMPLE}')
