"""Classes that a file may name: those of some modules of this package, and no other code."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec


def class_below(package: str, name: str) -> type | None:
    """Return the class that is called `package.module.Class` and is defined there; nothing else is ever imported."""
    module, _, kind = name.rpartition(".")
    if module.rpartition(".")[0] != package or not find_spec(module):
        return None
    found = getattr(import_module(module), kind, None)
    return found if isinstance(found, type) and found.__module__ == module else None
