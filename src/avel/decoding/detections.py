"""What was found in a video, in seconds and class ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Detections:
    """The events found in one video, best first (in the order of the candidates without NMS).

    Attributes:
        segments: (K, 2) float64 in seconds.
        scores: (K,).
        labels: (K,) class ids.
    """

    segments: Tensor
    scores: Tensor
    labels: Tensor

    def as_prediction(self, video: str) -> dict[str, Any]:
        """The metric's form of a prediction."""
        return {"video_id": video, "segments": self.segments, "scores": self.scores, "labels": self.labels}

    def cpu(self) -> Detections:
        """Return the detections in main memory."""
        return Detections(self.segments.cpu(), self.scores.cpu(), self.labels.cpu())

    def rows(self) -> Iterator[tuple[list[float], float, int]]:
        """Iterate over (start and end, score, label) in plain numbers."""
        return zip(self.segments.tolist(), self.scores.tolist(), self.labels.tolist(), strict=True)
