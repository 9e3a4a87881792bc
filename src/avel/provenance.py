"""How features were made, in plain values: what a manifest says of it, and comparing two such statements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Provenance = dict[str, Any]

KEYS = ("fps", "stride", "window", "reading", "encoders")
"""What decides the numbers in a manifest; which files there are, when they were made and by which versions does not."""

WHEREABOUTS = "weights.from"
"""End of the keys that say where weights lie: their hashes say which they are."""

ABSENT = "not stated"


def provenance_of(manifest: Mapping[str, Any]) -> Provenance:
    """Return what decides the numbers: the grid of time, and how files were read and encoded as far as it is stated."""
    return {key: manifest[key] for key in KEYS if key in manifest}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the dotted keys in which two statements differ, with both values; `ABSENT` where one has none."""
    ours, theirs = dict(_leaves(one)), dict(_leaves(other))
    keys = [key for key in [*ours, *theirs] if not key.endswith(WHEREABOUTS)]
    pairs = {key: (ours.get(key, ABSENT), theirs.get(key, ABSENT)) for key in keys}
    return {key: (a, b) for key, (a, b) in pairs.items() if a != b}


def show_differences(one: Mapping[str, Any], other: Mapping[str, Any], names: tuple[str, str]) -> str:
    """Write the `differences` a line each, with what the two statements are called."""
    return "\n".join(f"  {key}: {a} ({names[0]}), {b} ({names[1]})" for key, (a, b) in differences(one, other).items())


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
