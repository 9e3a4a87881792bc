"""CLAP (Wu et al., ICASSP 2023): what is heard, in the space of its text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from avel.extraction.encoder import Kept
from avel.extraction.encoders.pretrained import PretrainedEncoder
from avel.extraction.encoders.sound_input import chosen, mel_filters, mel_power
from avel.extraction.hub import load_config, load_network, load_processor, weights_of
from avel.extraction.sound import Samples

SPECTRUM = ("sampling_rate", "feature_size", "fft_window_size", "hop_length", "frequency_min", "frequency_max")
KEYS = (*SPECTRUM, "max_length_s", "padding", "truncation")
FLOOR = 1e-10
"""Power that is taken for silence."""


class ClapSound(PretrainedEncoder):
    """CLAP's projected embedding of a window, which is repeated or padded to the length that the network learned from.

    Embeddings are not scaled to norm 1. Of networks with feature fusion, for which `transformers` marks a random window
    of a batch as longer than it is, no window is: features do not depend on chance and on other windows.

    Args:
        weights: local folder, or name on the hub, of a CLAP model.
        window: seconds that a step covers, at most as many as the network takes (10).
        hop: seconds between two steps.
        precision: float32, bfloat16 or float16.
        preprocessing: how sound is prepared, as in a `preprocessor_config.json`; None: as in that of the weights.
        batch: windows that the network sees at once.

    Raises:
        UserError: a setting makes no sense, or the weights cannot be loaded.
    """

    name = "clap"

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
        config = load_config(source, "clap")
        prepared = chosen(preprocessing or load_processor(source, "feature_extractor"), KEYS)
        longest = prepared["max_length_s"]
        self.require(window <= longest, f"window={window} must be at most {longest} s")
        model = load_network(source, "ClapModel", config)
        self.network, self.projection = model.audio_model, model.audio_projection
        self.rate: int = prepared["sampling_rate"]
        self.width: int = config.projection_dim
        self.freeze(config.audio_config, prepared)

    def preprocess(self, sound: Samples) -> Kept:
        """Keep the samples."""
        return sound

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed windows (b, samples)."""
        longer = torch.zeros(len(inputs), 1, dtype=torch.bool, device=inputs.device)
        heard = self.network(input_features=self.spectrogram(inputs).to(self.dtype), is_longer=longer)
        embedded: Tensor = self.projection(heard.pooler_output)
        return embedded

    def spectrogram(self, sound: Tensor) -> Tensor:
        """Return what the network sees of (b, samples): dB in mel bands, (b, 1 or 4 times the same, frames, bands)."""
        said = self.preprocessing
        size, fused = said["fft_window_size"], said["truncation"] == "fusion"
        padded = functional.pad(self.fill(sound), (size // 2, size // 2), mode="reflect")
        frames = padded.unfold(-1, size, said["hop_length"])
        taper = torch.hann_window(size, device=sound.device)
        power = mel_power(frames * taper, self._filters(fused).to(sound.device), size)
        return (10 * power.clamp(min=FLOOR).log10())[:, None].repeat(1, 4 if fused else 1, 1, 1)

    def fill(self, sound: Tensor) -> Tensor:
        """Lengthen (b, samples) to what the network takes, by repetition and by silence."""
        said = self.preprocessing
        wanted, there = said["max_length_s"] * said["sampling_rate"], sound.shape[-1]
        whole = wanted // there
        times = {"repeat": whole + 1, "repeatpad": whole}.get(said["padding"], 1)
        repeated = sound.repeat(1, times)[:, :wanted]
        return functional.pad(repeated, (0, wanted - repeated.shape[-1]))

    def _filters(self, fused: bool) -> Tensor:
        rate, bands, size, _, low, high = (self.preprocessing[key] for key in SPECTRUM)
        kind = {"norm": None, "scale": "htk"} if fused else {"norm": "slaney", "scale": "slaney"}
        return mel_filters(rate=rate, size=size, bands=bands, low=low, high=high, **kind)
