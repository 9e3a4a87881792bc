"""Values of a configuration against what constructors ask for, as their signatures say it.

`instantiate` hands on whatever a command or a yaml says, and a constructor believes its annotations: a word in the
place of a section, or of a number, would end in a traceback of whatever computes with it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from hydra.errors import HydraException
from hydra.utils import get_object

from avel.errors import UserError, readable
from avel_run.mistakes import closest

TARGET = "_target_"

NAMES: Mapping[Any, str] = {
    NoneType: "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}
"""Type of an argument -> what a user gives for it."""


def check_arguments(key: str, section: Mapping[str, Any]) -> None:
    """Raise a UserError where a section, or one in it, does not fit the signature of what its `_target_` names.

    Args:
        key: the section's name, e.g. "data".
        section: plain values, without interpolations.
    """
    arguments = {name: value for name, value in section.items() if not name.startswith("_")}
    if TARGET in section:
        known = _parameters(key, section[TARGET])
        for name, value in arguments.items():
            _check_argument(f"{key}.{name}", value, name, known)
    for name, value in arguments.items():
        for part, nested in _sections(f"{key}.{name}", value):
            check_arguments(part, nested)


def _check_argument(key: str, value: Any, name: str, known: Mapping[str, Any] | None) -> None:
    if known is None:
        return
    if name not in known:
        raise UserError(f"{key}: there is no such key.{closest(name, known)} Known are {', '.join(known)}")
    if not fits(value, known[name]):
        shown = "a section of keys" if isinstance(value, dict) else readable(str(value))
        raise UserError(f"{key}={shown}: give {wanted(known[name])}")


def _parameters(key: str, target: Any) -> dict[str, Any] | None:
    """Return what a constructor takes, with the types; None where it takes anything."""
    if not isinstance(target, str):
        raise UserError(f"{key}.{TARGET}={readable(str(target))}: give the name of a class, as package.module.Class")
    try:
        found = get_object(target)
        parameters = signature(found, eval_str=True).parameters
    except NameError:  # annotations that only a type checker can read
        parameters = signature(found).parameters
    except (HydraException, ImportError, ValueError, TypeError) as error:
        raise UserError(f"{key}.{TARGET}={readable(target)}: {readable(str(error.__cause__ or error))}") from error
    if any(parameter.kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL) for parameter in parameters.values()):
        return None
    return {name: parameter.annotation for name, parameter in parameters.items()}


def _sections(key: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, dict):
        yield key, value
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _sections(f"{key}[{place}]", part)


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value, or a section that something is built from, can be meant where a type is asked for.

    Types that say nothing about plain values are taken as they come: what they name checks its own arguments.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, option) for option in arguments)
    if hint in SIMPLE:
        return SIMPLE[hint](value)
    if origin is Literal:  # which one: the constructor says it better
        return any(type(value) is type(choice) for choice in arguments)
    if origin is tuple and arguments[-1:] != (...,):
        return _is_list(value) and len(value) == len(arguments) and all(map(fits, value, arguments))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _is_list(value) and all(fits(part, arguments[0]) for part in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, dict) and TARGET not in value and all(fits(v, arguments[1]) for v in value.values())
    if origin is Callable or (isinstance(hint, type) and hint.__module__.startswith("avel.")):
        return isinstance(value, dict) and TARGET in value
    return True


def wanted(hint: Any) -> str:
    """Say what to give for a type."""
    if get_origin(hint) in (Union, UnionType):
        *options, last = sorted((wanted(option) for option in get_args(hint)), key="null".__eq__)
        return f"{', '.join(options)} or {last}" if options else last
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if isinstance(origin := get_origin(hint), type) and issubclass(origin, Sequence):
        parts = [part for part in get_args(hint) if part is not ...]
        count = f"{len(parts)} " if len(parts) > 1 else ""
        return f"a list of {count}{', '.join(dict.fromkeys(map(_plural, parts)))}"
    if hint in NAMES:
        return NAMES[hint]
    return "a section of keys"


def _plural(hint: Any) -> str:
    return {int: "whole numbers", float: "numbers", str: "texts", Path: "paths"}.get(hint, wanted(hint))


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - NaN


SIMPLE: Mapping[Any, Callable[[Any], bool]] = {
    NoneType: lambda value: value is None,
    bool: lambda value: isinstance(value, bool),
    int: lambda value: type(value) is int,
    float: _is_number,
    str: lambda value: isinstance(value, str),
    Path: lambda value: isinstance(value, str) and value != "",
}
"""Type -> whether a plain value is of it."""
