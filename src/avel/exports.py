"""Events in the formats of other programs: label tracks of Audacity, subtitles of any player.

A file speaks about one video; `EventTable.above` leaves out what is too unsure. JSON and CSV are in `avel.events`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from pathlib import Path

from avel.events import Event
from avel.files import whole_file

MARKUP = re.compile(r"(?<=[<{])|(?<=--)(?=>)")
"""Where players might begin to read a tag, or the times of a cue, in a name."""
INVISIBLE = "\N{WORD JOINER}"

UNWRITABLE = {"Cc", "Cs"}
"""Unicode categories of what no text file should hold: control characters and halves of characters."""

Cue = tuple[int, int, tuple[str, ...]]
"""First millisecond, the one behind the last, and what goes on in between."""


def write_labels(path: Path, events: Iterable[Event], *, scores: bool = False) -> None:
    """Write events of one video as a label track, see `labels_text`."""
    _write(path, labels_text(events, scores=scores))


def write_subtitles(path: Path, events: Iterable[Event], *, scores: bool = False) -> None:
    """Write events of one video as subtitles (.srt), see `subtitles_text`."""
    _write(path, subtitles_text(events, scores=scores))


def labels_text(events: Iterable[Event], *, scores: bool = False) -> str:
    """Return a label track as Audacity imports it: one line per event, start TAB end TAB text, in order of time.

    Times are seconds with six decimals. Line breaks and tabs in a name become spaces; an empty name becomes "unnamed".

    Args:
        events: of one video, in any order.
        scores: write them behind the names: then the names are no longer those of the classes.
    """
    rows = sorted(events, key=lambda event: (event.start, event.end, event.label))
    return "".join(f"{row.start:.6f}\t{row.end:.6f}\t{_text(row, scores)}\n" for row in rows)


def subtitles_text(events: Iterable[Event], *, scores: bool = False) -> str:
    """Return subtitles (SubRip): whenever an event begins or ends, a new cue lists what goes on, a line per class.

    What began first stands first, so that lines keep their place. Times are rounded to milliseconds; an event that is
    shorter has no cue. SubRip has no way to escape markup: where a player could take a part of a name for a tag, an
    invisible character keeps it from that.

    Args:
        events: of one video, in any order; of overlapping events of a class the surest counts.
        scores: write them behind the names.
    """
    cues = enumerate(_joined(_cues(events, scores)), start=1)
    return "\n".join(f"{n}\n{_clock(start)} --> {_clock(end)}\n{_lines(texts)}\n" for n, (start, end, texts) in cues)


def _cues(events: Iterable[Event], scores: bool) -> Iterator[Cue]:
    """Cut time at every boundary and say what goes on in between, which may be nothing."""
    spans = [(_milliseconds(event.start), _milliseconds(event.end), event) for event in events]
    waiting = sorted((span for span in spans if span[0] < span[1]), key=lambda span: (span[0], span[2].label))
    waiting.reverse()
    going: list[tuple[int, int, Event]] = []
    for time, until in pairwise(sorted({time for start, end, _ in waiting for time in (start, end)})):
        while waiting and waiting[-1][0] == time:
            going.append(waiting.pop())
        going = [span for span in going if span[1] > time]
        yield time, until, _texts([event for *_, event in going], scores)


def _joined(cues: Iterable[Cue]) -> Iterator[Cue]:
    """Join neighbours that say the same; leave out those that say nothing."""
    for texts, group in groupby(cues, key=lambda cue: cue[2]):
        (start, end, _), *more = group
        if texts:
            yield start, more[-1][1] if more else end, texts


def _texts(going: Iterable[Event], scores: bool) -> tuple[str, ...]:
    """Describe the surest event of each class, in order of appearance; an annotation is surer than a prediction."""
    surest: dict[str, Event] = {}
    for event in going:
        if event.label not in surest or _certainty(event) > _certainty(surest[event.label]):
            surest[event.label] = event
    return tuple(_text(event, scores) for event in surest.values())


def _certainty(event: Event) -> float:
    return float("inf") if event.score is None else event.score


def _milliseconds(seconds: float) -> int:
    return round(1000 * max(seconds, 0.0))


def _clock(milliseconds: int) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{thousandths:03d}"


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(MARKUP.sub(INVISIBLE, text) for text in texts)


def _text(event: Event, scores: bool) -> str:
    """Return a name as one line that a text file can hold."""
    line = " ".join(event.label.split())  # at line breaks of any kind, too
    writable = "".join(character for character in line if unicodedata.category(character) not in UNWRITABLE)
    score = "" if not scores or event.score is None else f" {event.score:.2f}"
    return (writable.strip() or "unnamed") + score


def _write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
