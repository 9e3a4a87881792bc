"""Text of others on a terminal: shown as it is, and never obeyed."""

from __future__ import annotations

import logging

from rich import markup

from avel.errors import harmless


def escape(text: str) -> str:
    """Return text as rich's markup shows it: nothing in it is markup, or obeyed by the terminal."""
    return markup.escape(harmless(text))


class HarmlessFormatter(logging.Formatter):
    """Formats records of a log that nothing in it makes a terminal, or whoever reads the file there, do anything."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record (called by handlers)."""
        return harmless(super().format(record))
