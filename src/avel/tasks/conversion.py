"""Released weights as a checkpoint of this package."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, __version__
from torch import Tensor

from avel.checkpoints.official import convert
from avel.checkpoints.recognition import Network, recognize
from avel.checkpoints.released import Released, Weights, read_released
from avel.checkpoints.shapes import Arguments
from avel.errors import UserError
from avel.files import whole_file
from avel.tasks.rebuilding import new_method


@dataclass(frozen=True, slots=True)
class Conversion:
    """A released file as a checkpoint.

    Attributes:
        checkpoint: plain values, as a run writes them, without a state of training.
        network: what the weights are of.
        released: what the file held.
    """

    checkpoint: dict[str, Any]
    network: Network
    released: Released

    def lines(self) -> Iterator[str]:
        """Say what the file held, which sizes were found how, and what was left out."""
        network, tensors = self.network, self.released.tensors
        unused = [name for name in tensors if any(re.search(pattern, name) for pattern in network.family.ignorable)]
        numbers = sum(tensor.numel() for name, tensor in tensors.items() if name not in unused)
        yield f"{network.family.name}, {self.released.kind}"
        yield f"{numbers:,} weights in {len(tensors) - len(unused)} tensors"
        yield f"sizes: {shown(network.sizes.read)}"
        if network.given:
            yield f"as given: {shown(dict(network.given))}"
        if network.released:
            yield f"as the released code computes: {shown(network.released)}"
        if network.assumed:
            yield f"not told by the weights, so as published (--set KEY=VALUE): {shown(network.assumed)}"
        if left_out := [*self.released.left_out, *unused]:
            more = f" and {len(left_out) - 4} more" if len(left_out) > 4 else ""
            yield f"left out: {', '.join(left_out[:4])}{more}"


def shown(arguments: Arguments) -> str:
    """Write arguments side by side, as `--set` takes them."""
    words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in arguments.items()}
    return ", ".join(f"{name}={word}" for name, word in words.items())


def convert_released(
    path: str | Path,
    *,
    method: str | None = None,
    weights: Weights | None = None,
    given: Mapping[str, Any] | None = None,
    map_location: str = "cpu",
) -> Conversion:
    """Turn a released file into a checkpoint; method and sizes are recognized by names and shapes.

    Args:
        path: the file, see `read_released`.
        method: one of `avel.checkpoints.recognition.FAMILIES`; None: recognized.
        weights: "ema" or "last", of a file that has both; None: averaged ones where there are some.
        given: arguments of the method under dotted names, for what the weights do not tell.
        map_location: "meta" where shapes alone are wanted.

    Raises:
        UserError: the file cannot be read or could run code, is of no known method, or its tensors do not fit.
    """
    released = read_released(path, weights, map_location)
    try:
        network = recognize(released.tensors, method=method, given=given or {})
        with torch.device("meta"):  # no time for weights that are replaced
            built = _build(network)
        ours = built.state_dict()
        state = _fit(released, network, ours)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    checkpoint: dict[str, Any] = {
        "state_dict": {
            name: state[name].to(tensor.dtype) if name in state else _begun(built, name, tensor, map_location)
            for name, tensor in ours.items()
        },
        "epoch": 0,
        "global_step": 0,
        "pytorch-lightning_version": __version__,
        "data": {},
        "released": {"file": Path(path).name, "kind": released.kind, "assumed": list(network.assumed)},
    }
    built.on_save_checkpoint(checkpoint)
    return Conversion(checkpoint, network, released)


def check_writable(out: Path, *, source: Path, force: bool) -> None:
    """Refuse to replace a file, unless `force` is given, and the released one in any case.

    Raises:
        UserError: there is such a file, or a folder.
    """
    if out.is_dir():
        raise UserError(f"{out}: is a folder, give a file")
    if out.exists() and source.exists() and out.samefile(source):
        raise UserError(f"{out}: is the file to convert: give another name")
    if out.exists() and not force:
        raise UserError(f"{out}: is there already; --force replaces it")


def write_conversion(conversion: Conversion, out: Path) -> None:
    """Write the checkpoint, whole or not at all."""
    with whole_file(out, durable=True) as temporary:
        torch.save(conversion.checkpoint, temporary)


def _build(network: Network) -> LightningModule:
    """Build the network; what fails is an argument that somebody gave, or one of a task that nobody has published."""
    try:
        return new_method(network.family.method, network.arguments)
    except KeyError as error:
        raise UserError(f"--set: {network.family.name} has no argument {error}") from None
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(
            f"{network.family.name} cannot be built of {shown(dict(network.given)) or 'this'}: {error}"
        ) from None


def _fit(released: Released, network: Network, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate the tensors; where they do not fit, say what they were taken for."""
    try:
        return convert(released.tensors, network.family.table, ours, ignorable=network.family.ignorable)
    except UserError as error:
        sizes = shown(network.sizes.read | dict(network.given))
        raise UserError(
            f"taken for {network.family.name} with {sizes}: {error}\n"
            "It is of another method (--method) or size (--set), or not whole"
        ) from None


def _begun(built: LightningModule, name: str, tensor: Tensor, device: str) -> Tensor:
    """Return what released files do not hold: prompts are yet to be given, the normalizer of a loss begins anew."""
    parent, _, last = name.rpartition(".")
    if last != "normalizer":
        return torch.zeros(tensor.shape, dtype=tensor.dtype, device=device)
    config: Any = built.get_submodule(parent).config
    return torch.tensor(float(config.initial_normalizer), device=device)
