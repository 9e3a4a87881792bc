"""Reads the names of classes alone, from whatever file lists them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from avel.data.annotations import check_annotations
from avel.data.event_checks import SUBSETS, AnnotationRules
from avel.data.text_files import read_json, read_text
from avel.errors import UserError

RULES = AnnotationRules(subsets={**SUBSETS, "testing": None}, beyond="clip")
"""What is made of annotations: class names are taken even where times are wrong by a bit."""


def read_class_names(path: Path) -> list[str]:
    """Read the names of classes in the order of their ids.

    Args:
        path: annotations in the layout of ActivityNet and UnAV-100, a JSON list of names, a JSON object that has one as
            "classes" (such as lies beside prompts), or, if it does not end with `.json`, text with one name per line.

    Raises:
        UserError: the file is missing, malformed, or names a class twice or none.
    """
    in_json = path.name.endswith((".json", ".json.gz"))
    names = _from_json(read_json(path, "list of classes"), path) if in_json else _lines(path)
    if not names:
        raise UserError(f"{path}: names no class")
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{path}: names {twice[0]!r} twice: every class has a name of its own")
    return names


def _from_json(document: Any, path: Path) -> list[str]:
    if isinstance(document, dict) and isinstance(database := document.get("database"), dict):
        with warnings.catch_warnings(action="ignore"):
            return list(check_annotations(database, path, rules=RULES).class_names)
    names = document.get("classes") if isinstance(document, dict) else document
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise UserError(f'{path}: needs a list of class names, {{"classes": [...]}} or annotations with a "database"')
    return [name.strip() for name in names]


def _lines(path: Path) -> list[str]:
    lines = read_text(path, "list of one class name per line").splitlines()
    return [name for line in lines if (name := line.strip())]
