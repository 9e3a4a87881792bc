"""Methods from plain values: a name and the constructor's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, cast, get_args, get_origin, get_type_hints

from lightning import LightningModule

from avel.errors import UserError
from avel.naming import class_below

METHODS = "avel.methods"
"""Where the classes live that a file may name."""


def new_method(name: str, arguments: Mapping[str, Any]) -> LightningModule:
    """Build a method without weights.

    Args:
        name: e.g. "avel.methods.ccnet.CCNet"; nothing else is ever imported.
        arguments: of its constructor, dictionaries in the place of dataclasses.

    Raises:
        UserError: `name` is no method of this package.
    """
    method_class = class_below(METHODS, name)
    if method_class is None or not issubclass(method_class, LightningModule):
        raise UserError(f"names no method of avel (key `method` is {name!r}): was it written by a run of avel?")
    hints = get_type_hints(method_class.__init__)
    return method_class(**{key: _restored(value, hints[key]) for key, value in arguments.items()})


def _restored(value: Any, hint: Any) -> Any:
    """Make dataclasses of dictionaries again, as hints like `HeadConfig | None` and `Mapping[str, DenseTask]` say."""
    if not isinstance(value, dict):
        _check_plain(value, hint)
        return value
    if is_dataclass(hint):
        kind, hints = cast(Any, hint), get_type_hints(hint)
        return kind(**{name: _restored(item, hints[name]) for name, item in value.items()})
    if get_origin(hint) is Mapping:
        return {name: _restored(item, get_args(hint)[1]) for name, item in value.items()}
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    if not kinds:
        raise TypeError(f"{hint} cannot be made of a dictionary")  # which may be too large to show
    return _restored(value, kinds[0])


def _check_plain(value: Any, hint: Any) -> None:
    """Refuse words in the place of numbers and truth values, and truth values in the place of numbers."""
    wrong = not isinstance(value, bool) if hint is bool else hint in (int, float) and isinstance(value, str | bool)
    if wrong:
        raise TypeError(f"{value!r} is no {hint.__name__}")
