"""Subtitles, each file about one video: SubRip (.srt) and WebVTT (.vtt).

Whenever an event begins or ends, a new cue lists what goes on, a line per class: players show cues that overlap in no
certain order. Times are rounded to milliseconds; an event that is shorter has no cue.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from pathlib import Path

from avel.events import Event
from avel.exchange.text import shown
from avel.files import whole_file

MARKUP = re.compile(r"(?<=[<{])|(?<=--)(?=>)")
"""Where players might begin to read a tag, or the times of a cue, in a name."""
INVISIBLE = "\N{WORD JOINER}"
LAST = 1e12
"""The latest time that is written, in milliseconds: 31 years."""

Cue = tuple[int, int, tuple[str, ...]]
"""First millisecond, the one behind the last, and what goes on in between."""


def write_subtitles(path: Path, events: Iterable[Event], *, scores: bool = False) -> None:
    """Write events of one video as subtitles (.srt), see `srt_text`."""
    with whole_file(path) as temporary:
        temporary.write_text(srt_text(events, scores=scores), encoding="utf-8", newline="\n")


def srt_text(events: Iterable[Event], *, scores: bool = False) -> str:
    """Return subtitles of SubRip.

    What began first stands first, so that lines keep their place. SubRip has no way to escape markup: where a player
    could take a part of a name for a tag, an invisible character keeps it from that.

    Args:
        events: of one video, in any order; of overlapping events of a class the surest counts.
        scores: write them behind the names.
    """
    cues = enumerate(_joined(_cues(events, scores)), start=1)
    return "\n".join(
        f"{place}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{MARKUP.sub(INVISIBLE, _lines(texts))}\n"
        for place, (start, end, texts) in cues
    )


def vtt_text(events: Iterable[Event], *, scores: bool = False) -> str:
    """Return subtitles of WebVTT, with markup in names escaped; otherwise as `srt_text`."""
    return "WEBVTT\n" + "".join(
        f"\n{_clock(start, '.')} --> {_clock(end, '.')}\n{html.escape(_lines(texts), quote=False)}\n"
        for start, end, texts in _joined(_cues(events, scores))
    )


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


def _text(event: Event, scores: bool) -> str:
    return shown(event.label) + ("" if not scores or event.score is None else f" {event.score:.2f}")


def _certainty(event: Event) -> float:
    return float("inf") if event.score is None else event.score


def _milliseconds(seconds: float) -> int:
    return round(min(1000 * max(seconds, 0.0), LAST))


def _clock(milliseconds: int, point: str) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{thousandths:03d}"


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(texts)
