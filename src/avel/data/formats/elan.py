"""ELAN's annotation documents, `<video>.eaf`."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from avel.data.formats.entries import Entry, event


def is_elan(text: str) -> bool:
    """Whether a text is an annotation document."""
    return text.lstrip().startswith("<") and "<ANNOTATION_DOCUMENT" in text[:10_000]


def read_elan(text: str) -> Entry:
    """Turn the annotation document of one video into an entry.

    An annotation's value is its label, or the name of its tier where it has no value: classes may be written into
    annotations or be tiers. Lost are annotations without a time of their own (those that refer to others), the tiers of
    annotations with a value, and the linked media: the document is named after its video.

    Raises:
        ValueError: the document is malformed, or an annotation lacks a time.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"is not whole XML ({error})") from None
    times = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    return {"annotations": [_event(annotation, tier, times) for tier, annotation in _aligned(root)]}


def _aligned(root: ElementTree.Element) -> Iterator[tuple[str, ElementTree.Element]]:
    for tier in root.iter("TIER"):
        for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
            yield tier.get("TIER_ID", ""), annotation


def _event(annotation: ElementTree.Element, tier: str, times: dict[str | None, str | None]) -> Entry:
    label = (annotation.findtext("ANNOTATION_VALUE") or "").strip() or tier
    bounds = [times.get(annotation.get(f"TIME_SLOT_REF{end}")) for end in (1, 2)]
    try:
        start, end = (int(bound or "") / 1000 for bound in bounds)
    except ValueError:
        raise ValueError(f"an annotation {label!r} in the tier {tier!r} has no time: align it in ELAN") from None
    return event(start, end, label)
