"""From the names of classes to prompts: sentences about them, and text encoders that embed these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track

from avel.errors import UserError

TEMPLATE = "An audio visual event of {}."
"""Of the classes of UnAV-100 in UniAV; "A visual event of {}." of ActivityNet-1.3, "A sound event of {}." of DESED."""

Embeddings = npt.NDArray[np.float32]


class TextEncoder(NamedTuple):
    """Embeds sentences.

    Attributes:
        name: what it is, for people.
        encode: turns n sentences into an array (n, P).
    """

    name: str
    encode: Callable[[list[str]], Any]


def fill_template(template: str, class_names: Sequence[str]) -> list[str]:
    """Say a sentence about every class; an underscore in its name (DESED) is read as a space.

    Raises:
        UserError: the template has no place for the name.
    """
    if "{}" not in template:
        raise UserError(f"--template={template!r}: put {{}} where the name of the class belongs")
    return [template.replace("{}", name.replace("_", " ")) for name in class_names]


def load_text_encoder(name: str, device: str = "cpu") -> TextEncoder:
    """Load a text encoder.

    Args:
        name: `package.module:function` of your own, or a pretrained model, see `avel.extraction.text_models`.
        device: where a pretrained model runs.

    Raises:
        UserError: there is no such function, or the model cannot be loaded.
    """
    if ":" in name and not Path(name).exists():
        return TextEncoder(name, _import_function(name))
    from avel.extraction.text_models import PretrainedText  # it takes seconds

    model = PretrainedText(name, device)
    return TextEncoder(model.description, model)


def embed(encoder: TextEncoder, sentences: Sequence[str], *, batch_size: int = 64, unit: bool = True) -> Embeddings:
    """Embed sentences.

    Args:
        encoder: embeds them.
        sentences: at least one.
        batch_size: how many it gets at a time.
        unit: scale every row to norm 1, as those of the published prompts.

    Returns:
        (C, P), one row per sentence.

    Raises:
        UserError: the encoder gives something else than one finite row per sentence, all of one width and not zero.
    """
    if batch_size < 1:
        raise UserError(f"--batch-size={batch_size}: give a number from 1 on")
    batches = [list(sentences[i : i + batch_size]) for i in range(0, len(sentences), batch_size)]
    parts = [_checked(encoder, batch) for batch in track(batches, description="Encoding", disable=len(batches) == 1)]
    if len(widths := {part.shape[1] for part in parts}) > 1:
        raise UserError(f"{encoder.name}: gives rows of different widths: {', '.join(map(str, sorted(widths)))}")
    rows = np.concatenate(parts)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if len(bad := np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))):
        raise UserError(f"{encoder.name}: the row of {sentences[bad[0]]!r} is zero, NaN or infinite")
    return rows / norms if unit else rows


def _checked(encoder: TextEncoder, sentences: list[str]) -> Embeddings:
    output = encoder.encode(sentences)
    try:
        rows = torch.as_tensor(output).detach().float().cpu().numpy()
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{encoder.name}: gives no array of numbers: {error}") from None
    if rows.ndim != 2 or len(rows) != len(sentences):
        raise UserError(
            f"{encoder.name}: gives shape {rows.shape} for {len(sentences)} sentences, wanted ({len(sentences)}, width)"
        )
    return rows


def _import_function(name: str) -> Callable[[list[str]], Any]:
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function, None)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"--encoder={name}: {error}; modules are sought in this folder and among the installed packages"
        ) from None
    if not callable(found):
        raise UserError(f"--encoder={name}: {module} has no function {function!r}")
    return found
