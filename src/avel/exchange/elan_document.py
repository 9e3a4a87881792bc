"""The XML of ELAN's annotation documents, as the schema EAF 3.0 has it."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

PROPERTY = "avel"
EVENT, SCORE = "avel event", "avel score"
"""Linguistic types: of tiers with events, and of tiers with their scores."""

SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
HEAD = {
    "AUTHOR": "",
    # the same events give the same file; ELAN puts in the day on which it saves
    "DATE": "1970-01-01T00:00:00+00:00",
    "FORMAT": "3.0",
    "VERSION": "3.0",
    f"{{{SCHEMA}}}noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
}
ONE_TO_ONE = "Symbolic_Association"


class Annotation(NamedTuple):
    """An event as ELAN shows it.

    Attributes:
        name: its id.
        start: first millisecond.
        end: the one behind the last.
        label: its class.
        score: if it has one.
    """

    name: str
    start: int
    end: int
    label: str
    score: float | None


class Tier(NamedTuple):
    """Annotations that do not overlap.

    Attributes:
        name: of the tier.
        score_name: name of the tier of their scores; None without any.
        annotations: in order of time.
    """

    name: str
    score_name: str | None
    annotations: Sequence[Annotation]


def write_document(tiers: Sequence[Tier], kept: str, media: Path | None, folder: Path | None) -> str:
    """Return a document.

    Args:
        tiers: its annotations.
        kept: text of the property that ELAN keeps.
        media: file that it is about.
        folder: where it will lie.
    """
    root = Element("ANNOTATION_DOCUMENT", HEAD)
    scored = [row for tier in tiers for row in tier.annotations if row.score is not None]
    count = sum(len(tier.annotations) for tier in tiers)
    header = SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if media is not None:
        SubElement(header, "MEDIA_DESCRIPTOR", _media(media, folder or Path()))
    SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"}).text = str(count + len(scored))
    SubElement(header, "PROPERTY", {"NAME": PROPERTY}).text = kept
    slots = _add_time_order(root, tiers)
    names = (f"a{place}" for place in range(count + 1, count + len(scored) + 1))
    for tier in tiers:
        _add_tier(root, tier, slots)
        _add_scores(root, tier, names)
    _add_types(root)
    indent(root)
    text = tostring(root, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _add_time_order(root: Element, tiers: Sequence[Tier]) -> dict[tuple[str, int], str]:
    """Add the times in order; return the id of a time by annotation and end, 1 or 2."""
    order, slots = SubElement(root, "TIME_ORDER"), {}
    times = (
        (time, (row.name, end)) for tier in tiers for row in tier.annotations for end, time in enumerate(row[1:3], 1)
    )
    for place, (time, key) in enumerate(sorted(times), start=1):
        slots[key] = f"ts{place}"
        SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slots[key], "TIME_VALUE": str(time)})
    return slots


def _add_tier(root: Element, tier: Tier, slots: dict[tuple[str, int], str]) -> None:
    parent = SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": EVENT, "TIER_ID": tier.name})
    for row in tier.annotations:
        ends = {f"TIME_SLOT_REF{end}": slots[row.name, end] for end in (1, 2)}
        _add(parent, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": row.name} | ends, row.label)


def _add_scores(root: Element, tier: Tier, names: Iterator[str]) -> None:
    if tier.score_name is None:
        return
    kind = {"LINGUISTIC_TYPE_REF": SCORE, "PARENT_REF": tier.name, "TIER_ID": tier.score_name}
    parent = SubElement(root, "TIER", kind)
    for row in tier.annotations:
        if row.score is not None:
            place = {"ANNOTATION_ID": next(names), "ANNOTATION_REF": row.name}
            _add(parent, "REF_ANNOTATION", place, repr(float(row.score)))


def _add(tier: Element, kind: str, attributes: dict[str, str], value: str) -> None:
    annotation = SubElement(SubElement(tier, "ANNOTATION"), kind, attributes)
    SubElement(annotation, "ANNOTATION_VALUE").text = value


def _add_types(root: Element) -> None:
    common = {"GRAPHIC_REFERENCES": "false"}
    SubElement(root, "LINGUISTIC_TYPE", common | {"LINGUISTIC_TYPE_ID": EVENT, "TIME_ALIGNABLE": "true"})
    dependent = {"CONSTRAINTS": ONE_TO_ONE, "LINGUISTIC_TYPE_ID": SCORE, "TIME_ALIGNABLE": "false"}
    SubElement(root, "LINGUISTIC_TYPE", common | dependent)
    described = {"DESCRIPTION": "1-1 association with a parent annotation", "STEREOTYPE": ONE_TO_ONE}
    SubElement(root, "CONSTRAINT", described)


def _media(path: Path, folder: Path) -> dict[str, str]:
    """Return where the file lies as ELAN writes it: by its whole path, and from the document's folder on."""
    whole, relative = path.resolve(), os.path.relpath(path.resolve(), folder.resolve())
    return {
        "MEDIA_URL": _writable(f"file:///{whole.as_posix().lstrip('/')}"),
        "MIME_TYPE": mimetypes.guess_type(path.name)[0] or "unknown",
        "RELATIVE_MEDIA_URL": _writable(f"./{Path(relative).as_posix()}"),
    }


def _writable(text: str) -> str:
    """Replace what XML cannot hold, as names of files may."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
