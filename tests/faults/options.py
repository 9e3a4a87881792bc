"""Commands with wrong options, taken as far as run.py takes them before an epoch ends: composed, checked, one step."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import hydra
import numpy as np
import run
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from avel.errors import UserError
from avel_run.building import build, build_trainer, count_videos
from avel_run.checks import check
from tests.synthetic import TINY, write_tiny, write_tiny_ave, write_tiny_custom

CONF = Path(run.CONF)
ONE_STEP = {"max_epochs": 1, "max_steps": 1, "limit_train_batches": 1, "limit_val_batches": 1}
QUIET = {"callbacks": [], "logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
VALUES = (
    *("-1", "0", "3", "1000000000", "1.5", "-0.5", "1e400", "nan", "null", "true", "word", "''", '"1"', "[]", "[1,2]"),
    *("{a:1}", "./no/such/path", "${oc.env:HOME}", "${nothing}", "[", "a=b=c", "\ud800"),
)
"""What may be given to any key."""
STARTS = ("num_workers", "devices", "num_nodes", "strategy")
"""Keys of which good values start processes."""


def write_data(folder: Path) -> dict[str, tuple[str, ...]]:
    """Write tiny data sets; returns experiments, each with the overrides that make it small."""
    for name, write in (("unav", write_tiny), ("ave", write_tiny_ave), ("own", write_tiny_custom)):
        write(folder / name)
    prompts = folder / "prompts.npy"
    np.save(prompts, np.ones((3, 8), np.float32))
    unav, ave = f"paths.data_dir={folder / 'unav'}", f"paths.data_dir={folder / 'ave'}"
    clips = ("size=narrow", ave, "data.loader.batch_size=2", "data.loader.num_workers=0")
    own = (f"data.annotations={folder / 'own' / 'annotations.csv'}", f"data.feature_dir={folder / 'own' / 'features'}")
    joint = (
        "data.sets.unav100.max_length=64",
        "data.sets.unav100.loader.batch_size=4",
        f"method.tasks.unav100.prompts={prompts}",
    )
    return {
        "unav_unav100": (*TINY, unav, "data.features=one_peace"),
        "cmran_ave_weak": clips,
        "uniav_multitask": ("size=narrow", "tasks=[unav100]", unav, *joint, "method.tasks.unav100.prompt_classes=null"),
        "ccnet_custom": (*TINY, *own),
    }


class Command:
    """An experiment that is started again and again, with one more override."""

    def __init__(self, experiment: str, overrides: tuple[str, ...], folder: Path) -> None:
        self.overrides = [f"experiment={experiment}", *overrides]
        self.parser = OverridesParser.create()
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            whole = hydra.compose("config", overrides=self.overrides, return_hydra_config=True)
        whole.hydra.runtime.output_dir = str(folder / "run")
        HydraConfig.instance().set_config(whole)
        self.good = OmegaConf.masked_copy(whole, [key for key in whole if key != "hydra"])
        OmegaConf.set_struct(self.good, True)  # as Hydra has it: keys that are not there are refused

    def keys(self) -> Iterator[str]:
        """Give all keys but those of Hydra."""
        tree: Any = OmegaConf.to_container(self.good)
        yield from _keys(tree)

    def wrong(self, count: int, random: Random) -> Iterator[str]:
        """Give overrides: `count` values and a change of its name for each key; some are good."""
        for key in self.keys():
            none = key.endswith(STARTS)
            values = [value for value in VALUES if not (none and value in ("3", "1000000000", '"1"', "word"))]
            yield from (f"{key}={value}" for value in random.sample(values, count))
            yield random.choice((f"~{key}", f"+{key}.new=1", f"{key}x=1", f"{key[:-1]}=1", f"++{key}.x.y=[1"))

    def start(self, override: str) -> None:
        """Do what run.py does, for one step.

        Raises:
            UserError: with the message that run.py would show.
            AssertionError: the message names neither the key nor what was given for it.
        """
        key, _, value = override.lstrip("+~").partition("=")
        try:
            self._start(self._configuration(override))
        except (UserError, HydraException, OmegaConfBaseException, OSError) as error:
            message = run.MISTAKES.explain(error)
            parts = [*key.split("."), value.strip("${}'\"./")]
            said = message.replace(" ", "").lower()
            assert any(part and part.lower() in said for part in parts), f"{override}: {message}"
            raise UserError(message) from None

    def _configuration(self, override: str) -> DictConfig:
        config = copy.deepcopy(self.good)  # composing anew takes ten times as long
        ConfigLoaderImpl._apply_overrides_to_config(self.parser.parse_overrides([override]), config)
        return config

    def _start(self, config: DictConfig) -> None:
        check(config)
        data, method = build(config)
        count_videos(config, data)
        build_trainer(config)
        OmegaConf.to_yaml(config, resolve=True)
        if config.stage == "fit":
            instantiate(config.trainer, **ONE_STEP, **QUIET).fit(method, data)
            assert all(weights.isfinite().all() for weights in method.parameters()), "weights are NaN"


def _keys(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
