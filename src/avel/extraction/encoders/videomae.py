"""VideoMAE (Tong et al., NeurIPS 2022): what happens in a few frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from avel.extraction.encoder import Kept
from avel.extraction.encoders.picture_input import PictureInput
from avel.extraction.encoders.pretrained import PretrainedEncoder
from avel.extraction.hub import load_config, load_network, load_processor, weights_of
from avel.extraction.pictures import Pixels

BILINEAR = 2


class VideoMAEPictures(PretrainedEncoder):
    """The mean of VideoMAE's tokens of a window: what a fine-tuned one decides by, with its norm.

    Args:
        weights: local folder, or name on the hub, of a VideoMAE model, fine-tuned or only pretrained.
        window: seconds that a step covers.
        hop: seconds between two steps.
        frames: pictures of a window, spread evenly; released models learned from 16.
        precision: float32, bfloat16 or float16.
        preprocessing: how pictures are prepared, as in a `preprocessor_config.json`; None: as in that of the weights.
        batch: windows that the network sees at once.

    Raises:
        UserError: a setting makes no sense, or the weights cannot be loaded.
    """

    name = "videomae"

    def __init__(
        self,
        *,
        weights: str,
        window: float = 1.0,
        hop: float = 0.5,
        frames: int = 16,
        precision: str = "float32",
        preprocessing: Mapping[str, Any] | None = None,
        batch: int = 8,
    ) -> None:
        super().__init__(weights=weights, window=window, hop=hop, precision=precision, batch=batch)
        source = weights_of(weights)
        config = load_config(source, "videomae")
        tube = config.tubelet_size
        self.require(frames >= tube and frames % tube == 0, f"frames={frames} must be a multiple of {tube}")
        self.frames, self.rate = frames, frames / window
        self.input = PictureInput.read(preprocessing or load_processor(source, "image_processor"), resample=BILINEAR)
        config.num_frames = frames  # positions are sinusoids, not weights
        self.network, self.norm = _parts(source, config)
        self.width: int = config.hidden_size
        self.freeze(config, self.input.plain())

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments, as far as they change numbers."""
        return super().settings() | {"frames": self.frames}

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Read pictures as they are."""
        return width, height

    def preprocess(self, pictures: Pixels) -> Kept:
        """Scale pictures and cut their middle out."""
        return self.input.cut(pictures)

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed windows (b, frames, h, w, 3)."""
        tokens = self.network(self.input.normalize(inputs, self.dtype)).last_hidden_state
        embedded: Tensor = self.norm(tokens.mean(dim=1))
        return embedded


def _parts(source: Any, config: Any) -> tuple[nn.Module, nn.Module]:
    """Return the network and the norm behind the mean: that of a classifier, which then takes the place of its own."""
    if not config.use_mean_pooling:
        return load_network(source, "VideoMAEModel", config), nn.Identity()
    classifier = load_network(source, "VideoMAEForVideoClassification", config)
    return classifier.videomae, classifier.fc_norm
