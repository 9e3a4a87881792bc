"""What a user can mend, as one message with the closest valid names in the place of a traceback."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from rich.console import Console

from avel.errors import UserError
from avel.terminal import escape

TRACE = "(HYDRA_FULL_ERROR=1 shows where this arose)"
PACKAGES = {"wandb": "wandb", "tensorboard": "tensorboard", "transformers": "media", "timm": "pe-av"}
"""Optional package that can be missing -> the extra that brings it."""


def take_over_errors() -> None:
    """Have Hydra raise, so that `Mistakes` prints; AVEL_DEBUG keeps what the user wants, for further processes too."""
    os.environ.setdefault("AVEL_DEBUG", os.environ.get("HYDRA_FULL_ERROR", "0"))
    os.environ["HYDRA_FULL_ERROR"] = "1"


def error_line(message: str) -> None:
    """Print what went wrong."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"[bold red]error:[/] {escape(message)}")


def closest(name: str, candidates: Iterable[str]) -> str:
    """Ask whether a similar name was meant."""
    matches = get_close_matches(name, set(candidates), n=3)
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Explains mistakes in a command whose configuration is composed of yamls.

    Attributes:
        conf: folder of the yamls.
        top: name of the one that everything is composed from.
        show_keys: option of the command that shows all keys; "" where it has none.
        implied: overrides that an option of the command stands for.
    """

    conf: Path
    top: str = "config"
    show_keys: str = "--cfg job"
    implied: tuple[str, ...] = ()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Report what a user can mend, with exit code 2; HYDRA_FULL_ERROR=1 shows where it arose."""
        try:
            yield
        except (UserError, HydraException, OmegaConfBaseException, OSError) as error:
            if os.environ.get("AVEL_DEBUG", os.environ.get("HYDRA_FULL_ERROR")) == "1":
                raise
            error_line(self.explain(error))
            sys.exit(2)

    def explain(self, error: BaseException) -> str:
        """Say what is wrong, with the closest valid names."""
        message = str(error).partition("\nConfig search path")[0]
        if isinstance(error, UserError):
            return message
        if isinstance(error, OverrideParseException):
            return self._unreadable(error.override, message.partition("\n")[0])
        if isinstance(error, MissingConfigException) and error.missing_cfg_file:
            return self._unknown_option(*error.missing_cfg_file.rpartition("/")[::2])
        if isinstance(error, OSError):
            return f"{error.filename or error}: {error.strerror or type(error).__name__}\n{TRACE}"
        if unknown := re.search(r"Could not override '([^']+)'", message):
            return self._unknown_key(unknown[1])
        if missing := re.fullmatch(r"Could not delete from config\. '([^']+)' does not exist\.", message):
            return self._nothing_to_delete(missing[1])
        return _explain_value(error, message)

    def _unreadable(self, override: str, reason: str) -> str:
        """Say how an override should look."""
        if "=" in override:
            return f"{override}: cannot be read, {reason}. Put the value into quotes, or mend it"
        groups = [path.parent.name for path in sorted(self.conf.glob(f"*/{override}.yaml")) if override.isidentifier()]
        meant = f" Did you mean {' or '.join(f'{group}={override}' for group in groups)}?" if groups else ""
        return f"{override}: options are given as key=value.{meant}"

    def _unknown_option(self, group: str, name: str) -> str:
        """Say which options a group has."""
        if group == "hydra/launcher":  # of a package of its own
            return f"launcher={name}: install the optional package, pip install -e '.[{name.partition('_')[0]}]'"
        # Hydra is silent on groups with lists
        options = sorted(path.stem for path in (self.conf / group).glob("*.yaml"))
        return f"{group}={name}: unknown.{closest(name, options)} Available: {', '.join(options)}"

    def _unknown_key(self, key: str) -> str:
        """Say which key was meant, or why there is none yet."""
        groups, keys = self._valid_keys()
        if key in keys:
            return f"{key}: has no place for what is new in this value; +{key}=… adds it"
        if (group := key.partition(".")[0]) in groups and groups[group] is None:
            return f"{key}: there is no such key before {group}, or an experiment with it, is chosen: experiment=NAME"
        hint = closest(key, [*groups, *keys])
        more = f" All keys: add `{self.show_keys}` to the command" if self.show_keys else ""
        return f"{key}: there is no such key.{hint}{more}"

    def _nothing_to_delete(self, key: str) -> str:
        """Say what was meant by a key to be taken away."""
        _, keys = self._valid_keys()
        hint = f" Did you mean {key}=null?" if key in keys else closest(key, keys)
        return f"~{key}: there is nothing to take away.{hint}"

    def _valid_keys(self) -> tuple[dict[str, str | None], list[str]]:
        """Groups with what is chosen of them, and all keys of the configuration that the command line chooses."""
        words = [word.partition(",")[0] for word in (*self.implied, *sys.argv[1:])]
        chosen = [word for word in words if "=" in word and (self.conf / word.partition("=")[0]).is_dir()]
        with hydra.initialize_config_dir(str(self.conf.resolve()), version_base="1.3"):
            try:
                config = hydra.compose(self.top, overrides=chosen, return_hydra_config=True)
            except HydraException:  # more than one mistake
                config = hydra.compose(self.top, return_hydra_config=True)
        return dict(config.hydra.runtime.choices), [*flat(OmegaConf.to_container(config))]


def _explain_value(error: BaseException, message: str) -> str:
    """Say what is wrong with the value of a key, which the message may name."""
    where = re.search(r"full_key: (\S+)", message)
    key = f"{where[1]}: " if where else ""
    if isinstance(error, InstantiationException) and error.__cause__:
        return _failed_to_build(key, error.__cause__)
    if isinstance(error, ConfigKeyError | ConfigAttributeError):
        return f"{key}there is no such key, and one is needed"
    if isinstance(error, OmegaConfBaseException):
        return key + message.partition("\n")[0]
    return message or type(error).__name__


def _failed_to_build(key: str, cause: BaseException) -> str:
    """Say why something that the configuration names cannot be built; `key` is "" or ends in ": "."""
    if isinstance(cause, UserError):
        told = str(cause).replace("method.tasks.NAME", key.removesuffix(": "))
        task = re.match(r"method\.tasks\.[^.:]+(?=\.)", key)  # its parts have the names that they have alone
        return f"{task[0]}.{told.removeprefix('method.')}" if task and told.startswith("method.") else told
    missing = cause.__cause__ or cause
    if isinstance(missing, ModuleNotFoundError) and (extra := PACKAGES.get((missing.name or "").partition(".")[0])):
        return f"{key}{missing}\nInstall the optional package: pip install -e '.[{extra}]'"
    return f"{key}{cause}\n{TRACE}"


def flat(tree: Any, prefix: str = "") -> Iterator[str]:
    """Give the dotted keys of nested dictionaries."""
    for key, value in tree.items():
        if not key.startswith("_"):
            yield prefix + key
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
