"""Prompts for synthetic data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from avel.data.prompts import write_prompts
from avel.data.synthetic_annotations import stable_rng

PROMPT_DIM = 64
"""Width of made-up prompts."""


def write_random_prompts(path: Path, classes: Iterable[str]) -> None:
    """Write a random unit vector per class, (C, 64) float32, instead of the text embedding of a sentence about it.

    It depends on the name of the class alone.

    Args:
        path: `X.npy`; the names of its rows are in `X.json` beside it.
        classes: names of the classes, in the order of the rows.
    """
    names = list(classes)
    rows = np.stack([stable_rng(0, "prompt", name).normal(size=PROMPT_DIM) for name in names])
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    write_prompts(path, unit, names, sentences=names, encoder="random unit vectors")
