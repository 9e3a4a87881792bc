"""Prompts: text embeddings of classes in `X.npy`; `X.json` beside it says which class each row is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from avel.data.text_files import read_json
from avel.errors import UserError, readable
from avel.files import open_regular, whole_file

Embeddings = npt.NDArray[np.float32]


def read_prompts(
    path: str | Path, class_names: Sequence[str] = (), prompt_classes: Sequence[str] | None = None
) -> Tensor:
    """Read the text embeddings of classes, (C, P) float32, in the order of class ids.

    Args:
        path: `X.npy`, one row of floats per class; further rows do not matter where rows have names.
        class_names: the classes by id; () takes the rows as they are.
        prompt_classes: the classes of the rows. `X.json` beside the file is asked first; without either, row i is about
            class i.

    Raises:
        UserError: the file is missing or damaged, holds something else than a finite matrix, or lacks a class.
    """
    rows = torch.from_numpy(_read_rows(Path(path)))
    row_names = _row_names(Path(path), prompt_classes, len(rows))
    if not class_names:
        return rows
    if row_names is None:
        if len(rows) != len(class_names):
            raise UserError(
                f"{path}: has {len(rows)} rows, but there are {len(class_names)} classes. Say which rows these are, in"
                f' {_names_file(path)} ({{"classes": [...]}}) or method.tasks.NAME.prompt_classes=[...];'
                " method.tasks.NAME.prompts=null takes the prompts of a checkpoint"
            )
        return rows
    places = {name: row for row, name in enumerate(row_names)}
    if absent := [name for name in class_names if name not in places]:
        raise UserError(
            f"{path}: has no prompt of class {absent[0]!r} ({len(absent)} of {len(class_names)} classes are missing);"
            f" its rows are {', '.join(row_names)}. scripts/make_prompts.py makes prompts of any classes"
        )
    return rows[[places[name] for name in class_names]]


def write_prompts(
    path: Path, embeddings: Embeddings, classes: Sequence[str], *, sentences: Sequence[str], encoder: str
) -> None:
    """Write `X.npy` and `X.json`; where both are there, they belong together.

    Args:
        path: `X.npy`.
        embeddings: text embeddings (C, P).
        classes: the class of every row.
        sentences: what was embedded.
        encoder: by what.
    """
    path.unlink(missing_ok=True)  # else a kill between the two files would leave rows under the names of others
    about = {"classes": list(classes), "sentences": list(sentences), "encoder": encoder}
    with whole_file(_names_file(path)) as temporary:
        temporary.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, embeddings)


def _names_file(path: str | Path) -> Path:
    return Path(path).with_suffix(".json")


def _read_rows(path: Path) -> Embeddings:
    if not path.exists():
        raise UserError(
            f"{path}: there is no such file of prompts; data/README.md says where the published ones go, and"
            " scripts/make_prompts.py makes others. Made-up data: run the same make_synthetic.py again. Prompts"
            " elsewhere: method.tasks.NAME.prompts=FILE"
        )
    try:
        with open_regular(path) as file:
            rows: Any = np.load(file, allow_pickle=False)
        if not isinstance(rows, np.ndarray):
            raise ValueError("this is an archive of several arrays")
    except Exception as error:  # numpy answers damaged headers with half a dozen kinds of errors
        raise UserError(f"{path} cannot be read as prompts (.npy): {readable(str(error), 200)}") from None
    if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.floating):
        raise UserError(f"{path}: {rows.dtype} of shape {rows.shape}, wanted one row of floats per class")
    with np.errstate(over="ignore"):  # what does not fit becomes infinity, which is reported below
        rows = rows.astype(np.float32)
    if len(broken := np.flatnonzero(~np.isfinite(rows).all(axis=1))):
        raise UserError(f"{path}: row {broken[0]} holds NaN or infinite values, encode the prompt of that class again")
    return rows


def _row_names(path: Path, prompt_classes: Sequence[str] | None, count: int) -> Sequence[str] | None:
    """Return the classes of the rows, None where nothing tells them."""
    source, names = f"{path}: method.tasks.NAME.prompt_classes", prompt_classes
    if _names_file(path).exists():
        source, document = str(_names_file(path)), read_json(_names_file(path), "list of prompts")
        names = document.get("classes") if isinstance(document, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError(f'{source}: needs the list "classes", the names of the rows of {path.name}')
    if names is None:
        return None
    if len(names) != count:
        raise UserError(f"{source} has {len(names)} names, but {path.name} has {count} rows: give one name per row")
    if len(set(names)) < count:
        twice = next(name for name in names if list(names).count(name) > 1)
        raise UserError(f"{source} has {twice!r} twice: name every row differently")
    return names
