"""What encoders that are pretrained networks have in common."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from avel.errors import UserError
from avel.extraction.encoder import Encoded, Kept, Spans

NO_ARITHMETIC = {"architectures", "dtype", "torch_dtype", "transformers_version", "id2label", "label2id", "label_names"}
"""Keys of a model's configuration that change no feature."""
PRECISIONS = ("float32", "bfloat16", "float16")


class PretrainedEncoder(nn.Module, ABC):
    """A frozen network that sees the window of a step, and nothing else.

    The buffer `architecture` is the network's configuration: it is hashed together with the weights.

    Args:
        weights: where the network comes from: local folder or file, or name on the hub.
        window: seconds that a step covers.
        hop: seconds between two steps.
        precision: float32, bfloat16 or float16.
        batch: inputs of the network at once; it changes speed and memory alone, and so is not among the `settings`.

    Raises:
        UserError: one of these makes no sense.
    """

    name: ClassVar[str]
    context: float = 0.0
    width: int
    architecture: Tensor

    def __init__(self, *, weights: str, window: float, hop: float, precision: str, batch: int) -> None:
        super().__init__()
        # from wherever a checkpoint will be used
        self.weights = str(Path(weights).resolve() if Path(weights).exists() else weights)
        self.window, self.hop, self.precision, self.batch = window, hop, precision, batch
        self.require(window > 0 and hop > 0, f"window={window} and hop={hop} must be above 0 s")
        self.require(precision in PRECISIONS, f"precision={precision!r} must be one of {', '.join(PRECISIONS)}")
        self.require(batch >= 1, f"batch={batch} must be at least 1")

    def require(self, holds: bool, message: str) -> None:
        """Raise a UserError unless something holds."""
        if not holds:
            raise UserError(f"encoder {self.name}: {message}")

    def freeze(self, config: Any = None, preprocessing: Mapping[str, Any] | None = None) -> None:
        """Make the network ready, and remember what it is.

        Args:
            config: of the network, as `transformers` has it; None for one that is always the same.
            preprocessing: how its input is prepared, in plain values; None if that is no setting of this kind.
        """
        self.preprocessing = dict(preprocessing or {})
        stated = json.dumps(architecture(config) if config else {}, sort_keys=True, default=str).encode()
        self.to(self.dtype).eval().requires_grad_(False)
        self.register_buffer("architecture", torch.frombuffer(bytearray(stated), dtype=torch.uint8))

    @property
    def dtype(self) -> torch.dtype:
        """In which the network computes."""
        found: torch.dtype = getattr(torch, self.precision)
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a step's features."""
        return (self.width,)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments, as far as they change numbers."""
        preparation = {"preprocessing": self.preprocessing} if self.preprocessing else {}
        return {
            "weights": self.weights,
            "window": self.window,
            "hop": self.hop,
            "precision": self.precision,
            **preparation,
        }

    def encode(self, samples: Kept, spans: Spans) -> Encoded:
        """Encode each step on its own, see `Encoder`."""
        return self.rows([samples[slice(*span)] for span in spans])

    @torch.inference_mode()
    def rows(self, inputs: Sequence[Kept] | Kept) -> Encoded:
        """Embed n inputs, (n, *shape)."""
        parts = []
        for first in range(0, len(inputs), self.batch):
            some: Any = inputs[first : first + self.batch]
            batch = torch.from_numpy(np.stack(some)).to(self.architecture.device)
            parts.append(self.embed(batch).float().cpu().numpy())
        return np.concatenate(parts)

    @abstractmethod
    def embed(self, inputs: Tensor) -> Tensor:
        """Embed a batch of what `preprocess` gave, (b, …) to (b, *shape)."""


def architecture(config: Any) -> dict[str, Any]:
    """Return what a model's configuration says about its arithmetic, as far as it is not what `transformers` assumes.

    Weights alone do not tell which activation function or which epsilon there is.
    """
    parts = {name: architecture(getattr(config, name)) for name in config.sub_configs}
    usual, stated = type(config)().to_dict(), config.to_dict()
    keys = [key for key in stated if key not in NO_ARITHMETIC | parts.keys() and not key.startswith("_")]
    return {key: stated[key] for key in keys if stated[key] != usual.get(key)} | parts
