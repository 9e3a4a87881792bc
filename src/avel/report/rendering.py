"""Pages from templates; nothing of what they show is taken for markup."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from avel.files import whole_file


def render(path: Path, template: str, **values: object) -> None:
    """Write a page; the file appears whole or not at all.

    Args:
        path: where to write it.
        template: file in `report/templates`.
        values: what it asks for.
    """
    text = _environment().get_template(template).render(values)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")


def compact_json(value: object) -> Markup:
    """Write plain values and dataclasses of them as JSON without blanks, which may stand inside of a page."""
    return htmlsafe_json_dumps(value, dumps=json.dumps, default=_plain, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


@cache
def _environment() -> Environment:
    loader = PackageLoader("avel.report")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
