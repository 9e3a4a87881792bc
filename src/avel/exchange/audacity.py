"""Label tracks of Audacity (.txt), each about one video.

    start TAB end TAB label [TAB score [TAB label as JSON]]

Audacity reads the first three columns and ignores what follows. Times are seconds with six decimals, as Audacity writes
them, and more where it takes more to be exact. A label that no line can show (with tabs, line breaks, blanks around it,
or empty) is shown as one that reads alike; the fifth column has it as it is, which counts while it fits what is shown.
What Audacity itself writes has three columns: times are rounded to microseconds, and scores are gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from avel.events import Event
from avel.exchange.text import decimals, parse_number, shown
from avel.files import whole_file


def write_labels(path: Path, events: Iterable[Event]) -> None:
    """Write events of one video as a label track, see `labels_text`."""
    with whole_file(path) as temporary:
        temporary.write_text(labels_text(events), encoding="utf-8", newline="\n")


def labels_text(events: Iterable[Event]) -> str:
    """Return a label track: one line per event, in the order given."""
    return "".join("\t".join(_columns(event)) + "\n" for event in events)


def read_labels(text: str, video: str) -> list[Event]:
    """Read the label track of one video.

    Lost are the frequencies of spectral selections (lines that begin with a backslash).

    Raises:
        ValueError: a line is malformed; the message names it.
    """
    lines = enumerate(text.splitlines(), start=1)
    return [_event(line, place, video) for place, line in lines if line.strip() and not line.startswith("\\")]


def _columns(event: Event) -> list[str]:
    label = shown(event.label)
    columns = [decimals(event.start), decimals(event.end), label]
    exact = [] if label == event.label else [json.dumps(event.label)]
    score = "" if event.score is None else repr(float(event.score))
    return [*columns, score, *exact] if score or exact else columns


def _event(line: str, place: int, video: str) -> Event:
    try:
        first, last, text = line.split("\t", maxsplit=2)
        start, end = parse_number(first), parse_number(last)
    except ValueError:
        message = f"line {place}: needs start, end and label, separated by tabs: {line[:40]!r}"
        raise ValueError(message) from None
    if not text.strip():
        raise ValueError(f"line {place}: the event from {first} to {last} s has no label")
    return Event(video, start, end, *_label_and_score(text))


def _label_and_score(text: str) -> tuple[str, float | None]:
    label, *more = text.split("\t")
    if len(more) > 2 or not label.strip():
        return text, None  # a label with tabs, by another program
    try:
        score = parse_number(more[0]) if more and more[0] else None
        exact = json.loads(more[1]) if len(more) > 1 else label
    except (ValueError, RecursionError):
        return text, None
    return exact if isinstance(exact, str) and shown(exact) == label else label, score
