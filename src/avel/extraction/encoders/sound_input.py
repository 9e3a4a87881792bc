"""How sound is prepared for a pretrained network: spectra in mel bands, for a batch of windows at once.

`transformers` computes them one by one, those of AST in two ways, by what else is installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from avel.errors import UserError


def chosen(config: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Return what a `preprocessor_config.json` says under some keys.

    Raises:
        UserError: it lacks one.
    """
    if missing := [key for key in keys if key not in config]:
        raise UserError(f"preprocessing={dict(config)}: does not say {', '.join(missing)}")
    return {key: config[key] for key in keys}


def mel_power(frames: Tensor, filters: Tensor, size: int) -> Tensor:
    """Return the power of windowed frames (…, n) in mel bands, (…, bands), by a Fourier transform of `size` samples."""
    return torch.fft.rfft(frames, size).abs().square() @ filters


@cache
def mel_filters(
    *, rate: int, size: int, bands: int, low: float, high: float, norm: str | None, scale: str, in_mels: bool = False
) -> Tensor:
    """Return triangular filters over the frequencies of a transform of `size` samples, (size // 2 + 1, bands).

    Args:
        rate: samples per second.
        size: of the transform.
        bands: number of filters.
        low: where the first filter begins, Hz.
        high: where the last one ends, Hz.
        norm: "slaney": filters have the same area; None: the same height.
        scale: of mels: "htk", "kaldi" or "slaney".
        in_mels: filters are triangles over mels, not over Hz.
    """
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(size // 2 + 1, bands, low, high, rate, norm, scale, in_mels)
    return torch.from_numpy(filters).float()
