"""What came of packing features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor


@dataclass(slots=True)
class Rounding:
    """What float16 made of features.

    Attributes:
        values: how many there are.
        coarse: how many changed by more than their share of 2 ** -11, which rounding may: they are tiny.
        largest: the largest change of a value.
    """

    values: int = 0
    coarse: int = 0
    largest: float = 0.0

    def note(self, values: Tensor, kept: Tensor) -> None:
        """Count in some values and what was kept of them."""
        change = (kept - values).abs()
        self.values += values.numel()
        self.coarse += int((change > values.abs() * 2**-11).sum())
        self.largest = max(self.largest, float(change.max()))


@dataclass(frozen=True, slots=True)
class Packing:
    """What came of it.

    Attributes:
        path: the file.
        videos: how many are in it.
        dtype: how features are stored.
        rounding: what became of their values.
    """

    path: Path
    videos: int
    dtype: str
    rounding: Rounding = field(default_factory=Rounding)

    def lines(self) -> Iterator[str]:
        """Tell it."""
        yield f"{self.path}: {self.videos} videos, {self.dtype}, {self.path.stat().st_size / 2**20:,.1f} MiB"
        if coarse := self.rounding.coarse:
            yield (
                f"{coarse:,} of {self.rounding.values:,} values are too small for the precision of float16; the largest"
                f" change of any value is {self.rounding.largest:.2g}"
            )
