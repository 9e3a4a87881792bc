"""What an encoder of one modality must be able to do, and where its steps lie in time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from avel.extraction.pictures import Pixels
from avel.extraction.sound import Samples

Encoded = npt.NDArray[np.float32]
Spans = npt.NDArray[np.int64]
Kept = npt.NDArray[Any]

ROUNDING = 1e-6
"""Steps by which a duration may miss a whole number of them."""


class Encoder(Protocol):
    """Turns regular samples of a file (pictures or sound) into one feature vector, or map, per step.

    Step t covers the file's time [t * hop, t * hop + window) seconds.

    Attributes:
        name: for messages and the manifest.
        rate: samples per second that the encoder reads.
        window: seconds that a step covers.
        hop: seconds between two steps.
        context: seconds on both sides of its window that a step may look at.
    """

    name: str
    rate: float
    window: float
    hop: float
    context: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a step's features: (D,) of a vector, (H, W, D) of a map."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """Return plain values from which the same encoder can be built again; they go into the manifest."""
        ...

    def encode(self, samples: Kept, spans: Spans) -> Encoded:
        """Turn contiguous samples into steps.

        A step must depend on no other samples than those of its window and its context. Where fewer than `context`
        are there, the file begins or ends.

        Args:
            samples: preprocessed samples, (N, ...).
            spans: which of them each step covers, (steps, 2) first and behind the last.

        Returns:
            (steps, *shape).
        """
        ...


class VisualEncoder(Encoder, Protocol):
    """An encoder of pictures."""

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Say to which (width, height) upright pictures are scaled when they are read."""
        ...

    def preprocess(self, pictures: Pixels) -> Kept:
        """Turn RGB pictures (n, H, W, 3) into what is kept of them until they are encoded, each on its own."""
        ...


class AudioEncoder(Encoder, Protocol):
    """An encoder of sound; its `rate` is a whole number."""

    def preprocess(self, sound: Samples) -> Kept:
        """Turn samples (n,) into what is kept of them until they are encoded, each on its own."""
        ...


def count_steps(duration: float, encoder: Encoder) -> int:
    """Return how many steps have the middle of their window inside of a file that lasts `duration` s; at least one."""
    return max(math.ceil((duration - encoder.window / 2) / encoder.hop - ROUNDING), 1)


def step_spans(encoder: Encoder, steps: int) -> Spans:
    """Return which samples of a file each step covers, (steps, 2) first and behind the last."""
    first = np.rint(np.arange(steps) * encoder.hop * encoder.rate).astype(np.int64)
    return np.stack([first, first + max(round(encoder.window * encoder.rate), 1)], axis=1)
