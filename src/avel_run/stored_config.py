"""What the `config.yaml` of a run folder says. The folder may be that of others: nothing in it is run or looked up.

A run writes its configuration with all interpolations resolved, so a file that has any, or aliases or tags, is not one.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from avel.data.text_files import read_text
from avel.errors import UserError, readable
from avel.naming import class_below
from avel_run.arguments import check_arguments

NAME = "config.yaml"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
UNREADABLE = (yaml.YAMLError, OmegaConfBaseException, OSError, ValueError, RecursionError)
"""What the parsers answer to a file that is no configuration."""


def read_config(folder: Path) -> dict[str, Any]:
    """Return what the configuration of a run says, in plain values; {} where there is none.

    Raises:
        UserError: it is damaged, or has aliases, tags or interpolations.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    text = read_text(path, "configuration")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=LOADER)):
            raise ValueError("has aliases, of which a few lines may fill the memory")
        config = OmegaConf.load(StringIO(text))
        stored: Any = OmegaConf.to_container(config)
        if not isinstance(stored, dict):
            raise ValueError("is no mapping")
        if "${" in OmegaConf.to_yaml(config):
            raise ValueError("has interpolations, which may tell what is on this machine")
    except UNREADABLE as error:
        reason = readable(" ".join(str(error).split()), 200)
        raise UserError(
            f"{path}: is damaged, or no run wrote it ({reason}): take another folder, or begin anew: resume=restart"
        ) from None
    return stored


def build_data(options: Any, path: Path) -> Any:
    """Build a data set as a configuration says; nothing but the data sets of this package, and what they are made of.

    Args:
        options: its section, plain values.
        path: the configuration, for messages.

    Raises:
        UserError: a `_target_` is no class of this package, or it cannot be built.
    """
    called = list(_targets(options)) if isinstance(options, dict) else []
    # a class of a module of ours, not what the module imports
    ours = [isinstance(name, str) and class_below("avel.data", name) for name in called]
    if not called or not all(ours):
        raise UserError(f"{path}: a _target_ in data is no class of avel.data")
    try:
        check_arguments("data", options)
        return instantiate(options, _convert_="all")
    except (UserError, HydraException, OmegaConfBaseException) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise UserError(f"{path}: no data set can be built from it ({reason}): repeat the run's test") from None


def _targets(options: Any) -> Iterator[Any]:
    """Give all that a section would have called."""
    for key, value in options.items() if isinstance(options, dict) else ():
        if key == "_target_":
            yield value
        yield from _targets(value)
    for value in options if isinstance(options, list) else ():
        yield from _targets(value)
