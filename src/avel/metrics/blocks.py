"""Tables in blocks of classes: classes do not meet, and what is computed for few rows stays in a processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from avel.metrics.tables import Events, Predictions, Table, take

ROWS = 2**18
"""Predictions of a block, about."""


def class_blocks(
    predictions: Predictions, events: Events, num_classes: int, *, rows: int = ROWS
) -> Iterator[tuple[Predictions, Events, int]]:
    """Part tables between neighbouring classes, about every `rows` predictions; rows keep their order.

    Yields:
        Predictions, events and number of classes of each block, with labels that begin at 0.
    """
    seen = predictions.labels.bincount(minlength=num_classes).cumsum(0)
    _, block, widths = (seen // rows).unique_consecutive(return_inverse=True, return_counts=True)
    if len(widths) == 1:
        yield predictions, events, num_classes
        return
    starts = (widths.cumsum(0) - widths).tolist()
    yield from zip(_split(predictions, block, starts), _split(events, block, starts), widths.tolist(), strict=True)


def _split(table: Table, block: Tensor, starts: Sequence[int]) -> Iterator[Table]:
    """Take the rows of each block; `block` (C,) is that of each class, `starts` are the blocks' first classes."""
    of_row = block.short().index_select(0, table.labels)
    sizes = of_row.bincount(minlength=len(starts)).tolist()
    for start, rows in zip(starts, of_row.argsort(stable=True).split(sizes), strict=True):
        part = take(table, rows)
        yield part._replace(labels=part.labels - start)
