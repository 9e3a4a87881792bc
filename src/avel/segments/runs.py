"""Runs: neighbouring snippets of one label, taken together."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Runs(NamedTuple):
    """N runs: their rows, first snippets, ends (exclusive) and labels, (N,) int64 each."""

    row: Tensor
    start: Tensor
    end: Tensor
    label: Tensor


def runs(labels: Tensor) -> Runs:
    """Find the maximal runs of equal labels; together they cover every row.

    Args:
        labels: (B, T) int64.

    Returns:
        The runs, row by row and in order of time.
    """
    differs = labels[:, 1:] != labels[:, :-1]
    first, last = (torch.ones_like(labels, dtype=torch.bool) for _ in range(2))
    first[:, 1:], last[:, :-1] = differs, differs
    row, start = first.nonzero(as_tuple=True)
    return Runs(row, start, last.nonzero(as_tuple=True)[1] + 1, labels[row, start])
