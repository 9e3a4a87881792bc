"""The manifest of features: which files belong to a video, and where their snippets lie in time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from avel.batch import TimeGrid
from avel.data.families import FeatureFamily
from avel.data.packed_file import PACKED, read_packed_manifest
from avel.data.text_files import read_json
from avel.errors import UserError, readable
from avel.provenance import Provenance, provenance_of, show_differences

NAME = "manifest.json"

EXAMPLE = (
    'for example\n{"visual": ["_visual.npy"], "audio": ["_audio.npy"], "fps": 16, "stride": 4, "window": 16}\nif video'
    " abc has the files abc_visual.npy and abc_audio.npy, and their row t saw frames 4 t to 4 t + 15 of 16 a second"
)

LARGEST = 1e9
"""Frames, and frames per second; neither these nor one by them are exceeded: times stay finite numbers."""

LONGEST = 512
"""Snippets of a training sample at most, where nothing else is said."""


def read_manifest(place: Path) -> FeatureFamily:
    """Read what features are.

    `manifest.json` holds `visual` and `audio`, the endings of a video's files, `fps`, `stride` and `window`, see
    `TimeGrid`, and, where names begin with one, `prefix`; whatever else it holds is for others. A packed file holds the
    manifest of what was packed.

    Args:
        place: folder of features, or a packed file.

    Raises:
        UserError: there is no manifest, something in it is missing or impossible, or a packed file beside it holds the
            same features made in another way.
    """
    path, document = _find(place)
    family = family_of(document, path)
    packed = place / PACKED
    if path.name == NAME and packed.is_file():
        _check_alike(document, path, packed)
    return family


def read_provenance(place: Path) -> Provenance:
    """Read what a manifest, which `read_manifest` has read before, says of how the features were made."""
    return provenance_of(_find(place)[1])


def family_of(document: object, path: Path) -> FeatureFamily:
    """Return the features that a manifest describes.

    Args:
        document: what it says.
        path: where it says so, for messages.

    Raises:
        UserError: something is missing or impossible.
    """
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
    if elsewhere := [part for part in (prefix, *visual, *audio) if re.search(r"[/\\\0]", part)]:
        raise UserError(f"{path}: {elsewhere[0]!r} must be a part of a file's name, not lead to another folder")
    return FeatureFamily(
        visual=visual,
        audio=audio,
        grid=TimeGrid(fps=fps, stride=stride, window=window),
        max_length=LONGEST,
        folder="",
        prefix=prefix,
    )


def manifest_of(family: FeatureFamily) -> dict[str, Any]:
    """Return the manifest of features that have none."""
    grid = family.grid
    files = {"visual": [*family.visual], "audio": [*family.audio], "prefix": family.prefix}
    return files | {"fps": grid.fps, "stride": grid.stride, "window": grid.window}


def _find(place: Path) -> tuple[Path, Any]:
    """Return the manifest of a folder or packed file, and where it lies."""
    path = place / NAME
    if place.is_file():
        return place, read_packed_manifest(place)
    if not place.is_dir():
        raise UserError(f"{place}: no such folder of features (data.feature_dir)")
    if path.is_file():
        return path, read_json(path, "manifest")
    if (packed := place / PACKED).is_file():
        return packed, read_packed_manifest(packed)
    raise UserError(f"{path}: no such file: say in it how the features were made, {EXAMPLE}")


def _check_alike(document: dict[str, Any], path: Path, packed: Path) -> None:
    held = read_packed_manifest(packed)
    same_files = all(held.get(key, "") == document.get(key, "") for key in ("visual", "audio", "prefix"))
    changed = show_differences(provenance_of(document), provenance_of(held), (NAME, PACKED)) if same_files else ""
    if changed:
        raise UserError(
            f"{packed}: its features were made in another way than {NAME} beside it says: pack them again"
            f" (scripts/pack_features.py --force), or remove one of the two\n{changed}"
        )


def _positive(document: dict[str, Any], key: str, path: Path) -> float:
    value = document.get(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 / LARGEST <= value <= LARGEST:
        return value
    raise UserError(f'{path}: "{key}" is {readable(repr(value))}, must be a positive number, {EXAMPLE}')


def _endings(document: dict[str, Any], key: str, path: Path) -> tuple[str, ...]:
    value = document.get(key)
    if isinstance(value, list) and all(isinstance(ending, str) and ending.endswith(".npy") for ending in value):
        return tuple(value)
    raise UserError(f'{path}: "{key}" is {value!r}, must be a list of endings of .npy files, {EXAMPLE}')
