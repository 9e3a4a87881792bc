"""PE-AV, Perception Encoder Audio-Visual (arXiv 2512.19687): sight and sound in one space.

Its towers of pictures and of sound are two encoders here, with the same weights. Its third tower, which joins them, is
left out: to join them is what the methods of this package learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from torch import Tensor
from torch.nn import functional

from avel.extraction.encoder import Kept
from avel.extraction.encoders.picture_input import PictureInput
from avel.extraction.encoders.pretrained import PretrainedEncoder
from avel.extraction.encoders.sound_input import chosen
from avel.extraction.hub import load_config, load_network, load_processor, weights_of
from avel.extraction.pictures import Pixels
from avel.extraction.sound import Samples

BILINEAR = 2


class PEPictures(PretrainedEncoder):
    """PE-AV's embedding of the pictures of a window, in the space that it shares with sound and text.

    Args:
        weights: local folder, or name on the hub, of a PE-AV model.
        window: seconds that a step covers.
        hop: seconds between two steps.
        frames: pictures of a window, spread evenly.
        precision: float32, bfloat16 or float16.
        preprocessing: how pictures are prepared, as in a `video_preprocessor_config.json`; None: as in that of the
            weights.
        batch: windows that the network sees at once.

    Raises:
        UserError: a setting makes no sense, the weights cannot be loaded, or the package `timm` is missing.
    """

    name = "pe_av_pictures"

    def __init__(
        self,
        *,
        weights: str,
        window: float = 1.0,
        hop: float = 0.5,
        frames: int = 8,
        precision: str = "float32",
        preprocessing: Mapping[str, Any] | None = None,
        batch: int = 4,
    ) -> None:
        super().__init__(weights=weights, window=window, hop=hop, precision=precision, batch=batch)
        self.require(frames >= 1, f"frames={frames} must be at least 1")
        self.require(find_spec("timm") is not None, "needs the package timm: pip install -e '.[pe-av]'")
        self.frames, self.rate = frames, frames / window
        source = weights_of(weights)
        config = load_config(source, "pe_audio_video").video_config
        self.input = PictureInput.read(preprocessing or load_processor(source, "video_processor"), resample=BILINEAR)
        model = load_network(source, "PeVideoModel", config, renamed=_renamed("video"))
        self.network, self.projection = model.video_encoder, model.video_head
        self.width: int = config.text_config.hidden_size
        self.freeze(config.video_config, self.input.plain())

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments, as far as they change numbers."""
        return super().settings() | {"frames": self.frames}

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Read pictures as they are."""
        return width, height

    def preprocess(self, pictures: Pixels) -> Kept:
        """Scale pictures."""
        return self.input.cut(pictures)

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed windows (b, frames, h, w, 3)."""
        pixels = self.input.normalize(inputs, self.dtype)
        embedded: Tensor = self.projection(self.network(pixels).pooler_output)
        return embedded


class PESound(PretrainedEncoder):
    """PE-AV's embedding of the sound of a window, in the space that it shares with pictures and text.

    Args:
        weights: local folder, or name on the hub, of a PE-AV model.
        window: seconds that a step covers.
        hop: seconds between two steps.
        precision: float32, bfloat16 or float16.
        preprocessing: how sound is prepared, as in a `preprocessor_config.json`; None: as in that of the weights.
        batch: windows that the network sees at once.

    Raises:
        UserError: a setting makes no sense, or the weights cannot be loaded.
    """

    name = "pe_av_sound"

    def __init__(
        self,
        *,
        weights: str,
        window: float = 1.0,
        hop: float = 0.5,
        precision: str = "float32",
        preprocessing: Mapping[str, Any] | None = None,
        batch: int = 8,
    ) -> None:
        super().__init__(weights=weights, window=window, hop=hop, precision=precision, batch=batch)
        source = weights_of(weights)
        config = load_config(source, "pe_audio_video").audio_config
        prepared = chosen(preprocessing or load_processor(source, "feature_extractor"), ("sampling_rate", "hop_length"))
        model = load_network(source, "PeAudioModel", config, renamed=_renamed("audio"))
        self.network, self.projection = model.audio_encoder, model.audio_head
        self.rate: int = prepared["sampling_rate"]
        shortest = prepared["hop_length"] / self.rate
        self.require(window >= shortest, f"window={window} must be at least {shortest:g} s")
        self.width: int = config.text_config.hidden_size
        self.freeze(config.audio_config, prepared)

    def preprocess(self, sound: Samples) -> Kept:
        """Keep the samples."""
        return sound

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed windows (b, samples), whose end is mirrored up to a whole number of the codec's frames."""
        rest = -inputs.shape[-1] % self.preprocessing["hop_length"]
        sound = functional.pad(inputs[:, None], (0, rest), mode="reflect").to(self.dtype)
        embedded: Tensor = self.projection(self.network(sound).pooler_output)
        return embedded


def _renamed(modality: str) -> dict[str, str]:
    """Return how the weights of one tower are called in files, where the joining tower may hold them too."""
    return {
        rf"^{modality}_model\.": "",
        rf"^audio_video_encoder\.embedder\.{modality}_encoder\.": f"{modality}_encoder.",
    }
