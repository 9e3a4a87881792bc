"""ELAN's annotation documents, `<video>.eaf`."""

from __future__ import annotations

from avel.data.formats.entries import Entry, entry_of
from avel.exchange.elan import is_elan as is_elan
from avel.exchange.elan import read_elan as read_events


def read_elan(text: str) -> Entry:
    """Turn the annotation document of one video into an entry; lost are scores and what `avel.exchange.elan` loses.

    Raises:
        ValueError: the document is malformed, or an annotation lacks a time.
    """
    return entry_of(read_events(text, ""))
