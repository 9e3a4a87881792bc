"""Tables in blocks of classes: classes do not meet, and what is computed for few rows stays in a processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from avel.metrics.tables import Events, Predictions, Table, all_rows, take

ROWS = 2**17
"""Predictions of a block, about."""


def class_blocks(
    predictions: Predictions, order: Tensor, events: Events, num_classes: int, *, rows: int = ROWS
) -> Iterator[tuple[Predictions, Events, int]]:
    """Part tables between neighbouring classes, about every `rows` predictions; rows keep their order.

    Args:
        predictions: a table; no block is taken from it before it is asked for.
        order: which of its rows count, in which order.
        events: a table, all rows of which count.
        num_classes: C; labels lie in [0, C).
        rows: predictions of a block, about.

    Yields:
        Predictions, events and number of classes of each block, with labels that begin at 0.
    """
    seen = predictions.labels.bincount(minlength=num_classes).cumsum(0)
    _, block, widths = (seen // rows).unique_consecutive(return_inverse=True, return_counts=True)
    starts = (widths.cumsum(0) - widths).tolist()
    blocks = _split(predictions, order, block, starts), _split(events, all_rows(events), block, starts)
    yield from zip(*blocks, widths.tolist(), strict=True)


def _split(table: Table, order: Tensor, block: Tensor, starts: Sequence[int]) -> Iterator[Table]:
    """Take the rows of each block; `block` (C,) is that of each class, `starts` are the blocks' first classes."""
    of_row = block.short().index_select(0, table.labels).index_select(0, order)
    sizes = of_row.bincount(minlength=len(starts)).tolist()
    rows = order.index_select(0, of_row.argsort(stable=True))
    for start, of_block in zip(starts, rows.split(sizes), strict=True):
        part = take(table, of_block)
        yield part._replace(labels=part.labels - start)
