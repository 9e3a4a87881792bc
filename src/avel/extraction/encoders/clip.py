"""CLIP (Radford et al., ICML 2021): what single pictures show, in the space of its text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from avel.extraction.encoder import Encoded, Kept, Spans
from avel.extraction.encoders.picture_input import PictureInput
from avel.extraction.encoders.pretrained import PretrainedEncoder
from avel.extraction.hub import load_config, load_network, load_processor, weights_of
from avel.extraction.pictures import Pixels

BICUBIC = 3


class ClipPictures(PretrainedEncoder):
    """The mean of CLIP's projected embeddings of pictures that are spread evenly over the window.

    Args:
        weights: local folder, or name on the hub, of a CLIP model.
        window: seconds that a step covers.
        hop: seconds between two steps.
        frames: pictures of a window.
        precision: float32, bfloat16 or float16.
        preprocessing: how pictures are prepared, as in a `preprocessor_config.json`; None: as in that of the weights.
        batch: pictures that the network sees at once.

    Raises:
        UserError: a setting makes no sense, or the weights cannot be loaded.
    """

    name = "clip"

    def __init__(
        self,
        *,
        weights: str,
        window: float = 1.0,
        hop: float = 0.5,
        frames: int = 4,
        precision: str = "float32",
        preprocessing: Mapping[str, Any] | None = None,
        batch: int = 64,
    ) -> None:
        super().__init__(weights=weights, window=window, hop=hop, precision=precision, batch=batch)
        self.require(frames >= 1, f"frames={frames} must be at least 1")
        self.frames, self.rate = frames, frames / window
        source = weights_of(weights)
        config = load_config(source, "clip")
        self.input = PictureInput.read(preprocessing or load_processor(source, "image_processor"), resample=BICUBIC)
        model = load_network(source, "CLIPModel", config)
        self.network, self.projection = model.vision_model, model.visual_projection
        self.width: int = self.projection.out_features
        self.freeze(config.vision_config, self.input.plain())

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments, as far as they change numbers."""
        return super().settings() | {"frames": self.frames}

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Read pictures as they are."""
        return width, height

    def preprocess(self, pictures: Pixels) -> Kept:
        """Scale pictures and cut their middle out."""
        return self.input.cut(pictures)

    def encode(self, samples: Kept, spans: Spans) -> Encoded:
        """Encode every picture once, however many windows it lies in."""
        rows = self.rows(samples)
        return np.stack([rows[slice(*span)].mean(axis=0) for span in spans])

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed pictures (b, h, w, 3)."""
        pixels = self.input.normalize(inputs, self.dtype)
        embedded: Tensor = self.projection(self.network(pixels).pooler_output)
        return embedded
