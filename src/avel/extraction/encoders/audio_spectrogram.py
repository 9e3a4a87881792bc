"""AST, the Audio Spectrogram Transformer (Gong et al., Interspeech 2021): which of AudioSet's sounds there are."""

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

KEYS = ("sampling_rate", "num_mel_bins", "max_length", "do_normalize", "mean", "std")
FRAME, SHIFT, TRANSFORM = 400, 160, 512
"""Samples of a spectrum, between two of them, and of the Fourier transform."""
PREEMPHASIS = 0.97
FLOOR = 1.192092955078125e-07
"""Power that is taken for silence."""


class SpectrogramTransformer(PretrainedEncoder):
    """The pooled output of AST for a window, which is padded to the length that the network learned from.

    Args:
        weights: local folder, or name on the hub, of an AST model.
        window: seconds that a step covers.
        hop: seconds between two steps.
        precision: float32, bfloat16 or float16.
        preprocessing: how sound is prepared, as in a `preprocessor_config.json`; None: as in that of the weights.
        batch: windows that the network sees at once.

    Raises:
        UserError: a setting makes no sense, or the weights cannot be loaded.
    """

    name = "ast"

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
        config = load_config(source, "audio-spectrogram-transformer")
        prepared = chosen(preprocessing or load_processor(source, "feature_extractor"), KEYS)
        self.rate: int = prepared["sampling_rate"]
        shortest, longest = FRAME / self.rate, (FRAME + (prepared["max_length"] - 1) * SHIFT) / self.rate
        self.require(shortest <= window <= longest, f"window={window} must be {shortest:g} to {longest:g} s")
        self.network = load_network(source, "ASTModel", config)
        self.width: int = config.hidden_size
        self.freeze(config, prepared)

    def preprocess(self, sound: Samples) -> Kept:
        """Keep the samples."""
        return sound

    def embed(self, inputs: Tensor) -> Tensor:
        """Embed windows (b, samples)."""
        embedded: Tensor = self.network(self.spectrogram(inputs).to(self.dtype)).pooler_output
        return embedded

    def spectrogram(self, sound: Tensor) -> Tensor:
        """Return what the network sees of (b, samples): (b, max_length, num_mel_bins), as Kaldi computes it."""
        said = self.preprocessing
        frames = sound.unfold(-1, FRAME, SHIFT)
        frames = frames - frames.mean(dim=-1, keepdim=True)
        before = functional.pad(frames, (1, 0), mode="replicate")[..., :-1]
        taper = torch.hann_window(FRAME, periodic=False, device=sound.device)
        low_to_high = {"low": 20.0, "high": self.rate // 2, "norm": None, "scale": "kaldi", "in_mels": True}
        filters = mel_filters(rate=self.rate, size=TRANSFORM, bands=said["num_mel_bins"], **low_to_high)
        power = mel_power((frames - PREEMPHASIS * before) * taper, filters.to(sound.device), TRANSFORM)
        bands = functional.pad(power.clamp(min=FLOOR).log(), (0, 0, 0, said["max_length"] - frames.shape[1]))
        return (bands - said["mean"]) / (2 * said["std"]) if said["do_normalize"] else bands
