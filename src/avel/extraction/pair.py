"""An encoder of pictures and one of sound: they turn a media file into features and can be built again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avel.errors import UserError
from avel.extraction.encoder import AudioEncoder, Encoder, VisualEncoder
from avel.extraction.extract import Features, Progress, check_pair, extract
from avel.extraction.records import DIGEST_BYTES
from avel.naming import class_below
from avel.provenance import Provenance, show_differences

ENCODERS = "avel.extraction.encoders"
"""Where the classes live that a file may name."""
MODALITIES = ("visual", "audio")
READING = 2
"""Changes whenever the same file and the same encoders give other features."""


class EncoderPair(nn.Module):
    """Two encoders whose steps lie at the same times.

    Those that are networks move with it from device to device, and a hash tells their weights from others: it is they
    that count, not where they come from, which is what the argument `weights` of an encoder says.

    Args:
        visual: of pictures.
        audio: of sound.

    Raises:
        UserError: their steps lie at different times.
    """

    def __init__(self, visual: VisualEncoder, audio: AudioEncoder) -> None:
        super().__init__()
        check_pair(visual, audio)
        self.visual = visual
        self.audio = audio

    @torch.inference_mode()
    def forward(self, path: Path, *, chunk: float = 60.0, progress: Progress = lambda share: None) -> Features:
        """Extract the features of a file, see `extract`."""
        return extract(path, self.visual, self.audio, chunk=chunk, progress=progress)

    def provenance(self) -> Provenance:
        """Say how features are made, in plain values: what a manifest and a checkpoint remember."""
        visual = self.visual
        return {
            "fps": visual.rate,
            "stride": visual.hop * visual.rate,
            "window": visual.window * visual.rate,
            "reading": READING,
            "encoders": {"visual": self._describe("visual", visual), "audio": self._describe("audio", self.audio)},
        }

    def _describe(self, modality: str, encoder: Encoder) -> dict[str, Any]:
        kind, settings = type(encoder), dict(encoder.settings())
        description: dict[str, Any] = {"class": f"{kind.__module__}.{kind.__qualname__}", "settings": settings}
        prefix = f"{modality}."
        state = {name: tensor for name, tensor in self.state_dict().items() if name.startswith(prefix)}
        if state:
            description["weights"] = {"from": settings.pop("weights", None), "blake2b": _digest(state)}
        plain: dict[str, Any] = json.loads(json.dumps(description))  # as a file gives it back
        return plain


def load_encoders(provenance: Mapping[str, Any], *, weights: Mapping[str, str | Path] | None = None) -> EncoderPair:
    """Build the encoders again that features were made by.

    Args:
        provenance: what a manifest or a checkpoint says, see `EncoderPair.provenance`.
        weights: "visual" or "audio" -> where the weights of that encoder lie by now; else they are sought where they
            came from. Either way their hash must be what it was.

    Raises:
        UserError: it names no encoders of this package, or those make other features by now; weights are not where they
            should be, or are given for something that has none.
    """
    encoders, moved = provenance.get("encoders"), weights or {}
    if unknown := moved.keys() - set(MODALITIES):
        raise UserError(f"weights of {', '.join(sorted(unknown))}: there are encoders {' and '.join(MODALITIES)}")
    descriptions: list[Any] = [encoders.get(name) for name in MODALITIES] if isinstance(encoders, Mapping) else []
    if not descriptions or not all(isinstance(description, Mapping) for description in descriptions):
        raise UserError("nothing says which encoders made the features, so that none can be made of other videos")
    pair = EncoderPair(*(_build(d, m, moved.get(m)) for m, d in zip(MODALITIES, descriptions, strict=True)))
    if changed := show_differences(provenance, pair.provenance(), ("then", "now")):
        raise UserError(f"the encoders make other features now than then:\n{changed}")
    return pair


def _build(description: Mapping[str, Any], modality: str, moved: str | Path | None) -> Any:
    name = str(description.get("class"))
    kind = class_below(ENCODERS, name)
    if kind is None:
        raise UserError(f"encoder {name!r}: is not one of avel, and no other code is run for the sake of a file")
    if moved is not None and "weights" not in description:
        raise UserError(f"encoder {name}: has no weights that could lie in {moved}")
    weights = {"weights": str(moved or description["weights"]["from"])} if "weights" in description else {}
    try:
        return kind(**description.get("settings", {}), **weights)
    except TypeError as error:
        raise UserError(f"encoder {name}: {error}: the settings are those of another version") from None
    except UserError as error:
        elsewhere = f"\nIf these weights lie elsewhere by now, say where: weights {modality}=PATH"
        raise UserError(f"{error}{elsewhere if weights else ''}") from None


def _digest(state: Mapping[str, Tensor]) -> str:
    """Return a hash of weights, wherever they are."""
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for name, tensor in sorted(state.items()):
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return hashed.hexdigest()
