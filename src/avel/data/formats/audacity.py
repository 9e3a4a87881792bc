"""Label tracks of Audacity: `<video>.txt` with start, end and label, separated by tabs."""

from __future__ import annotations

from avel.data.formats.entries import Entry, entry_of
from avel.exchange.audacity import read_labels


def is_label_track(text: str) -> bool:
    """Whether the first line is that of a label track."""
    try:
        return bool(read_labels(text.lstrip("\n").partition("\n")[0], ""))
    except ValueError:
        return False


def read_label_track(text: str) -> Entry:
    """Turn the label track of one video into an entry; an empty one means a video without events.

    Lost are scores and what `avel.exchange.audacity` loses. Points become events of no length, which are dropped later,
    with a warning that counts them.

    Raises:
        ValueError: a line is malformed; the message names it.
    """
    return entry_of(read_labels(text, ""))
