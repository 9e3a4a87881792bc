"""Pretrained text encoders of the optional package `transformers`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from avel.extraction.device import usable_device
from avel.extraction.hub import Pretrained

FULL_LENGTH = ("siglip", "siglip2")
"""Models that were trained on sentences padded to their full length."""


class PretrainedText:
    """Embeds sentences by a pretrained model.

    A model that has a space in common with pictures or sounds (CLIP, CLAP, SigLIP) gives its projected text features.
    Any other one (BERT and its kind) gives the mean of its last hidden states over the tokens of a sentence.

    Args:
        name: local folder, or name on the hub.
        device: where it runs.

    Raises:
        UserError: `transformers` is not installed, there is no such model, or no such device.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        where = usable_device(device)
        source = Pretrained(name, f"--encoder={name}", instead=", or package.module:function")
        self.tokenizer = source.load(lambda kit, local: _load(kit.AutoTokenizer, name, local))
        self.model: Any = source.load(lambda kit, local: _load(kit.AutoModel, name, local))
        self.model.eval().to(where)
        self.projected = callable(getattr(self.model, "get_text_features", None))
        how = "projected text features" if self.projected else "mean of the last hidden states"
        self.description = f"{name} ({how})"

    @torch.inference_mode()
    def __call__(self, sentences: list[str]) -> Tensor:
        """Embed n sentences, (n, P)."""
        config = self.model.config
        padding: dict[str, Any] = {"padding": True}
        if config.model_type in FULL_LENGTH:
            padding = {"padding": "max_length", "max_length": config.text_config.max_position_embeddings}
        tokens = self.tokenizer(sentences, truncation=True, return_tensors="pt", **padding).to(self.model.device)
        if self.projected:
            return self.model.get_text_features(**tokens).pooler_output
        encoder = self.model.get_encoder() if config.is_encoder_decoder else self.model
        mask = tokens["attention_mask"][..., None]
        return (encoder(**tokens).last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1)


def _load(kind: Any, name: str, local: bool) -> Any:
    """Load something without asking whether code may be run from where it lies: none is."""
    return kind.from_pretrained(name, local_files_only=local, trust_remote_code=False)
