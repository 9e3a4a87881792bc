"""Numbers among the options of data sets that cannot be meant."""

from __future__ import annotations

from collections.abc import Mapping

from avel.errors import UserError, check_count

MOST_CLASSES = 1_000_000
"""No data set has as many; names are made up for classes without events."""


def check_stated(stated: Mapping[str, int | None]) -> None:
    """Raise a UserError for a number that no data set has; None is taken from the files."""
    for name, number in stated.items():
        least = 0 if name == "audio_dim" else 1  # some families are visual only
        most = MOST_CLASSES if name == "num_classes" else None
        check_count(f"data.{name}", number, least, most, optional=True)


def check_share(key: str, share: float) -> None:
    """Raise a UserError unless `share`, the value of an option, is one that leaves something of the whole."""
    if not 0 <= share < 1:
        raise UserError(f"{key}={share}: give a share from 0 to below 1")
