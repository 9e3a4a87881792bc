"""ELAN's annotation documents (.eaf, format 3.0), each about one video.

Every class has a tier; annotations of a tier must not overlap, so events that do are on further tiers, "dog (2)".
Scores are on tiers that depend on these, "dog score", and go where their annotations go. ELAN counts whole milliseconds
from 0 on, and an annotation lasts for one at least. So the header has a property "avel", which ELAN keeps: the exact
times and label of every annotation by its id, in the order of the events. They count as long as they agree with what
ELAN shows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from avel.events import Event
from avel.exchange.elan_document import EVENT, PROPERTY, SCORE, Annotation, Tier, write_document
from avel.exchange.text import parse_number, shown

LAST = 2**32 - 1
"""The largest time that the format can hold, in milliseconds."""

Exact = Mapping[str, Event]
"""Id of an annotation -> the event that it was, in the order of the events."""


def elan_text(events: Sequence[Event], *, media: Path | None = None, folder: Path | None = None) -> str:
    """Return a document about one video.

    Args:
        events: of one video.
        media: its file, which ELAN then opens.
        folder: where the document will lie.
    """
    ids = {f"a{place}": event for place, event in enumerate(events, start=1)}
    exact = json.dumps({name: [float(event.start), float(event.end), event.label] for name, event in ids.items()})
    return write_document(_tiers(ids), exact, media, folder)


def is_elan(text: str) -> bool:
    """Whether a text is an annotation document."""
    return text.lstrip().startswith("<") and "<ANNOTATION_DOCUMENT" in text[:10_000]


def read_elan(text: str, video: str) -> list[Event]:
    """Read a document about one video.

    An annotation's value is its label, or the name of its tier where it has no value: classes may be written into
    annotations or be tiers. On our own tiers, such as "dog (2)", it is of the class of the others. Lost are annotations
    without a time of their own (those that refer to others) but for our scores, the tiers of annotations with a value,
    and the linked media.

    Raises:
        ValueError: the document is malformed, or an annotation lacks a time.
    """
    root = _parse(text)
    times = {slot.get("TIME_SLOT_ID", ""): slot.get("TIME_VALUE", "") for slot in root.iter("TIME_SLOT")}
    scores, exact = dict(_scores(root)), _exact(root, video)
    found = []
    for tier, annotation in _aligned(root):
        name = annotation.get("ANNOTATION_ID", "")
        found.append((name, _event(_visible(tier, annotation, times), exact.get(name), video, scores.get(name))))
    place = {name: number for number, name in enumerate(exact)}
    return [event for _, event in sorted(found, key=lambda row: place.get(row[0], len(place)))]


def _tiers(events: Mapping[str, Event]) -> list[Tier]:
    """Share events out among tiers such that none of one tier overlap."""
    annotations = [
        Annotation(name, *_milliseconds(event.start, event.end), shown(event.label), event.score)
        for name, event in events.items()
    ]
    lanes: dict[str, list[list[Annotation]]] = {}
    for annotation in sorted(annotations, key=lambda row: (row.start, row.end)):
        of_label = lanes.setdefault(annotation.label, [])
        free = next((lane for lane in of_label if lane[-1].end <= annotation.start), None)
        if free is None:
            of_label.append(free := [])
        free.append(annotation)
    return list(_named(lanes))


def _named(lanes: Mapping[str, Sequence[Sequence[Annotation]]]) -> Iterator[Tier]:
    """Name the tiers and those of their scores, each by a name of its own."""
    taken = set(lanes)
    for label, of_label in sorted(lanes.items()):
        for place, lane in enumerate(of_label, start=1):
            name = label if place == 1 else _unused(f"{label} ({place})", taken)
            scored = any(annotation.score is not None for annotation in lane)
            yield Tier(name, _unused(f"{name} score", taken) if scored else None, lane)


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    taken.add(name)
    return name


def _milliseconds(start: float, end: float) -> tuple[int, int]:
    """Return from when to when ELAN shows an event: within what the format can hold, and at least a millisecond."""
    first = round(min(max(1000 * start, 0), LAST - 1))
    return first, round(min(max(1000 * end, first + 1), LAST))


def _parse(text: str) -> ElementTree.Element:
    if "<!DOCTYPE" in text:
        raise ValueError("declares a document type, as ELAN never does: entities are not expanded; save it with ELAN")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"is not whole XML ({error})") from None


def _scores(root: ElementTree.Element) -> Iterator[tuple[str, float]]:
    """Give the scores: id of the annotation that has it, and the score."""
    for tier in root.iter("TIER"):
        if tier.get("LINGUISTIC_TYPE_REF") != SCORE:
            continue
        for annotation in tier.iter("REF_ANNOTATION"):
            value = annotation.findtext("ANNOTATION_VALUE") or ""
            try:
                yield annotation.get("ANNOTATION_REF", ""), parse_number(value)
            except ValueError:
                raise ValueError(f"the score {value!r} in the tier {tier.get('TIER_ID')!r} must be a number") from None


def _exact(root: ElementTree.Element, video: str) -> Exact:
    """Return the events that were written, as the property says."""
    text = next((found.text for found in root.iter("PROPERTY") if found.get("NAME") == PROPERTY), None)
    try:
        rows = json.loads(text or "{}")
        return {name: _written(video, *row) for name, row in rows.items()}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ValueError(f"the property {PROPERTY!r} in its header is damaged: remove it") from None


def _written(video: str, start: float, end: float, label: str) -> Event:
    if not isinstance(label, str) or not math.isfinite(start) or not math.isfinite(end):
        raise ValueError(f"{start!r}, {end!r}, {label!r} must be two numbers and a label")
    return Event(video, float(start), float(end), label)


def _aligned(root: ElementTree.Element) -> Iterator[tuple[ElementTree.Element, ElementTree.Element]]:
    for tier in root.iter("TIER"):
        for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
            yield tier, annotation


def _visible(
    tier: ElementTree.Element, annotation: ElementTree.Element, times: Mapping[str, str]
) -> tuple[int, int, str]:
    """Return what ELAN shows of an annotation: start and end in milliseconds, and the label."""
    name = tier.get("TIER_ID", "")
    label = (annotation.findtext("ANNOTATION_VALUE") or "").strip() or _class_of(tier)
    try:
        start, end = (int(times.get(annotation.get(f"TIME_SLOT_REF{bound}", ""), "")) for bound in (1, 2))
    except ValueError:
        raise ValueError(f"an annotation {label!r} in the tier {name!r} has no time: align it in ELAN") from None
    if max(abs(start), abs(end)) > LAST:
        raise ValueError(f"an annotation {label!r} in the tier {name!r} lies beyond what ELAN can hold")
    return start, end, label


def _class_of(tier: ElementTree.Element) -> str:
    """Return the class of annotations without a value."""
    ours = tier.iter("ANNOTATION_VALUE") if tier.get("LINGUISTIC_TYPE_REF") == EVENT else ()
    values = ((value.text or "").strip() for value in ours)
    return next(filter(None, values), tier.get("TIER_ID", ""))


def _event(visible: tuple[int, int, str], was: Event | None, video: str, score: float | None) -> Event:
    """Return the event that is shown, exact in what is as it was."""
    start, end, label = visible
    span = start / 1000, end / 1000
    if was and _milliseconds(was.start, was.end) == (start, end):
        span = was.start, was.end
    return Event(video, *span, was.label if was and shown(was.label) == label else label, score)
