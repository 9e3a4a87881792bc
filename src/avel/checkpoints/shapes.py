"""What the shapes of a network's weights tell of its size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes by our names of the weights, but as the released code has them: convolutions (out, in, width)."""

Arguments = dict[str, Any]
"""Arguments of a method in plain values, under dotted names, e.g. "pyramid.dim"."""


class Sizes(NamedTuple):
    """A method's arguments, by how they are known.

    Attributes:
        read: told by the shapes.
        released: how the released code computes, where our default is another.
        assumed: as published, because shapes do not tell.
    """

    read: Arguments
    released: Arguments
    assumed: Arguments


def count(shapes: Shapes, prefix: str) -> int:
    """Count the numbered parts behind `prefix`, e.g. "pyramid.levels."."""
    numbered = re.compile(rf"{re.escape(prefix)}(\d+)\.")
    return len({found[1] for name in shapes if (found := numbered.match(name))})


def nested(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make dictionaries in dictionaries of dotted names."""
    tree: dict[str, Any] = {}
    for name, value in arguments.items():
        *parents, last = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[last] = value
    return tree
