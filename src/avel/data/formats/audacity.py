"""Label tracks of Audacity: `<video>.txt` with start, end and label, separated by tabs."""

from __future__ import annotations

from avel.data.formats.entries import Entry, event, seconds


def is_label_track(text: str) -> bool:
    """Whether the first line is that of a label track."""
    try:
        return bool(read_label_track(text.lstrip("\n").partition("\n")[0] + "\n")["annotations"])
    except ValueError:
        return False


def read_label_track(text: str) -> Entry:
    """Turn the label track of one video into an entry; an empty one means a video without events.

    Lost are the frequencies of spectral selections (lines that begin with a backslash). Points become events of no
    length, which are dropped later, with a warning that counts them.

    Raises:
        ValueError: a line is malformed; the message names it.
    """
    events = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        try:
            start, end, label = line.split("\t", maxsplit=2)
            events.append(event(seconds(start), seconds(end), label))
        except ValueError:
            raise ValueError(f"line {number}: needs start, end and label, separated by tabs: {line[:40]!r}") from None
        if not label.strip():
            raise ValueError(f"line {number}: the event from {start} to {end} s has no label")
    return {"annotations": events}
