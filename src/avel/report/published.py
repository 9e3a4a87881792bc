"""What is published about an experiment, each number with the place where it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from avel.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedResult:
    """A published number.

    Attributes:
        value: in percent, with the digits as printed.
        metric: its name, with its grid.
        features: what the network was trained on.
        selection: what chose the weights that were tested.
        source: where it was read.
        first_hand: whether the authors of the method say so there.
    """

    value: float
    metric: str
    features: str
    selection: str
    source: str
    first_hand: bool

    def note(self) -> str:
        """Return what is to be known beside the number."""
        hand = "" if self.first_hand else "second-hand, "
        return f"{self.metric}; features: {self.features}; weights by: {self.selection}. Read in: {hand}{self.source}."


@dataclass(frozen=True, slots=True)
class Literature:
    """What is published about an experiment: results, or why there are none."""

    results: tuple[PublishedResult, ...] = ()
    absent: str = ""


def read_literature(document: Mapping[str, Any], experiments: Iterable[str], name: str) -> dict[str, Literature]:
    """Check what a file says about all experiments.

    Args:
        document: experiment -> its `results` or `absent`, as in `Literature`.
        experiments: those that must be there.
        name: of the file, for messages.

    Raises:
        UserError: an experiment is missing or unknown, or what is said about one is not complete.
    """
    if wrong := document.keys() ^ set(experiments):
        raise UserError(f"{name}: {', '.join(sorted(wrong))}: every experiment must be there, and nothing else")
    return {experiment: _literature(entry, f"{name}: {experiment}") for experiment, entry in document.items()}


def _literature(entry: Any, where: str) -> Literature:
    if not isinstance(entry, Mapping):
        raise UserError(f"{where}: give `results` or `absent`, not {entry!r}")
    try:
        results = [PublishedResult(**result) for result in entry.get("results", ())]
    except TypeError as error:
        raise UserError(f"{where}: a result needs all fields of PublishedResult, and no others ({error})") from None
    if bool(results) == bool(entry.get("absent")):
        raise UserError(f"{where}: give either `results` or, as `absent`, why there are none")
    return Literature(tuple(results), entry.get("absent", ""))
