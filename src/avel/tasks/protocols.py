"""What every task asks of the data and of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from avel.events import EventTable


class LocalizationData(Protocol):
    """What every task asks of a data module."""

    selection_split: str
    """Split that validation during training judges, and so chooses the checkpoint by."""

    def by_task(self) -> Mapping[str, Any]:
        """The data sets by the task that their batches bear; a data set of its own is that of the task ""."""
        ...


class Evaluation(Protocol):
    """One pass over a split: what was found in which video, and how good it is."""

    def add(self, videos: Sequence[str], found: Any) -> None:
        """Add what `localize` found in some videos."""
        ...

    def gather(self, world_size: int) -> None:
        """Bring what all ranks found together (metrics do so by themselves)."""
        ...

    def score(self) -> tuple[dict[str, float], Tensor]:
        """Return named numbers and the average precision per class and threshold, (C, T), or an empty tensor."""
        ...

    def events(self) -> EventTable:
        """Return what was found, in seconds and class names, videos in the order of their ids."""
        ...
