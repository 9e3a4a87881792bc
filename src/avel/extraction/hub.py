"""Networks of the optional package `transformers`: from a folder, from what was downloaded before, or from the hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from avel.errors import UserError
from avel.extraction.manifest import read_object

T = TypeVar("T")

HUB_PATIENCE = 10.0
"""Seconds within which the hub must answer."""
PROCESSOR_FILES = {
    "image_processor": ("preprocessor_config.json",),
    "video_processor": ("video_preprocessor_config.json", "preprocessor_config.json"),
    "feature_extractor": ("preprocessor_config.json",),
}
"""Where folders keep what a network's input is prepared by, if not in its section of processor_config.json."""


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Something pretrained that a user asked for.

    Attributes:
        name: local folder, or name on the hub.
        option: how the user asked, for messages.
        instead: what else could be given there, for messages.
    """

    name: str
    option: str
    instead: str = ""

    def load(self, load: Callable[[Any, bool], T]) -> T:
        """Load it; without network, if it is on this machine.

        Args:
            load: is given the package and whether it must do without network (`local_files_only`).

        Raises:
            UserError: `transformers` is not installed, or there is no such thing here and on the hub.
        """
        package = self._package()
        try:
            try:
                return load(package, True)
            except OSError:
                if Path(self.name).exists():
                    raise
            self._ask_hub()
            return load(package, False)
        except UserError as known:
            raise UserError(f"{self.option}: {known}") from None
        except Exception as error:  # folders are broken in ways that nobody thought of
            advice = f"Give the name of a model on the hub, or a folder that `save_pretrained` wrote{self.instead}."
            raise UserError(f"{self.option}: cannot be loaded. {advice}\n{type(error).__name__}: {error}") from None

    def _package(self) -> Any:
        # of weights that are no safetensors, `transformers` would ask a public service for a copy that are, every time
        os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
        try:
            import transformers
            from transformers.utils import logging
        except ImportError as error:
            install = "Install the optional packages: pip install -e '.[media]'"
            raise UserError(f"{self.option}: {error}. {install}") from None
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        return transformers

    def _ask_hub(self) -> None:
        """Raise an OSError unless the hub answers and has it: `transformers` would knock for half a minute."""
        from huggingface_hub import HfApi

        try:
            HfApi().model_info(self.name, timeout=HUB_PATIENCE)
        except Exception as error:  # of whichever HTTP library
            raise OSError(f"There is no such folder, and asking the hub: {error}") from None


def weights_of(name: str) -> Pretrained:
    """Return the origin of an encoder's weights."""
    return Pretrained(str(name), f"weights={name}")


def load_config(source: Pretrained, model_type: str) -> Any:
    """Load the configuration of a model.

    Raises:
        UserError: it is not of that type (as `transformers` calls it), or cannot be loaded.
    """
    options = {"trust_remote_code": False}  # or `transformers` would ask whether it may run code from there
    config = source.load(
        lambda package, local: package.AutoConfig.from_pretrained(source.name, local_files_only=local, **options)
    )
    if config.model_type != model_type:
        raise UserError(f"{source.option}: is a model of type {config.model_type!r}, but {model_type!r} is needed")
    return config


def load_network(source: Pretrained, kind: str, config: Any, *, renamed: Mapping[str, str] | None = None) -> Any:
    """Load a network in float32.

    Args:
        source: whose weights.
        kind: class of `transformers`.
        config: of the network.
        renamed: regular expressions of names that the weights have in files, and their names in the network.

    Raises:
        UserError: it cannot be loaded, or some weights are missing (`transformers` would draw them at random).
    """
    options = {"config": config, "key_mapping": renamed, "dtype": torch.float32, "output_loading_info": True}
    network, report = source.load(
        lambda package, local: getattr(package, kind).from_pretrained(source.name, local_files_only=local, **options)
    )
    if missing := sorted(report["missing_keys"]):
        shown = ", ".join(missing[:3]) + ", …" * (len(missing) > 3)
        raise UserError(f"{source.option}: lacks {len(missing)} weights of {kind}: {shown}")
    return network


def load_processor(source: Pretrained, section: str) -> dict[str, Any]:
    """Load how the input of a network is prepared.

    Args:
        source: whose.
        section: "image_processor", "video_processor" or "feature_extractor".

    Raises:
        UserError: there is nothing about it.
    """
    return source.load(lambda package, local: _first_section(source.name, section, local))


def _first_section(name: str, section: str, local: bool) -> dict[str, Any]:
    for found in _objects(name, ["processor_config.json"], local):
        if isinstance(found.get(section), dict):
            return found[section]
    for found in _objects(name, PROCESSOR_FILES[section], local):
        return found
    raise FileNotFoundError(
        f"{name}: has no {PROCESSOR_FILES[section][0]}, which says how the network's input is prepared: put it beside"
        " the weights, or give the encoder its content as `preprocessing`"
    )


def _objects(name: str, files: Sequence[str], local: bool) -> Iterator[dict[str, Any]]:
    """Read those of some JSON files that a folder or a model on the hub has."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    for file in files:
        with suppress(FileNotFoundError, EntryNotFoundError):
            here = Path(name) / file
            path = here if Path(name).is_dir() else Path(hf_hub_download(name, file, local_files_only=local))
            yield from [read_object(path)] if path.is_file() else []
