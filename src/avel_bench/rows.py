"""What comes out: rows of samples, some of which have a goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit that the median of a row is to keep.

    Attributes:
        limit: in the row's unit.
        at_most: whether the median may not be above the limit, or not below.
    """

    limit: float
    at_most: bool = True

    def met(self, value: float) -> bool:
        """Whether a value keeps the limit."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes:
        name: what was measured.
        unit: of the samples.
        samples: what came out each time, at least one.
        goal: what our own side shall reach, None where there is no absolute number.
    """

    name: str
    unit: str
    samples: Sequence[float]
    goal: Goal | None = None

    @property
    def median(self) -> float:
        """Median of the samples."""
        return median(self.samples)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met, None without one."""
        return self.goal.met(self.median) if self.goal else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        spread = {"min": min(self.samples), "max": max(self.samples)}
        goal = {"goal": str(self.goal), "met": self.met} if self.goal else {}
        named = {"name": self.name, "unit": self.unit, "median": self.median}
        return named | {"spread": spread, "samples": list(self.samples)} | goal


def ratio(name: str, of: Row, to: Row, goal: Goal | None = None) -> Row:
    """Divide rows that were measured by turns, sample by sample."""
    return Row(name, "x", [a / b for a, b in zip(of.samples, to.samples, strict=True)], goal)
