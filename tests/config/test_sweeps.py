"""Every way to sweep and every launcher composes, and searches for keys that there are."""

from importlib.util import find_spec

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.utils import instantiate
from omegaconf import OmegaConf

from hydra_plugins.avel_sweeps.optuna import swept, written
from tests.config.conftest import CONF

# wandb.yaml is for W&B's own command
SWEEPS = sorted(path.stem for path in (CONF / "sweep").glob("*.yaml") if path.stem != "wandb")
LAUNCHERS = sorted(path.stem for path in (CONF / "launcher").glob("*.yaml"))
DENSE = ("ccnet_unav100", "unav_unav100", "actionformer_unav100", "uniav_unav100")
EXPERIMENTS = {"optuna": ("psp_ave", "uniav_multitask", *DENSE), "optuna_dense": DENSE}


@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_way_to_sweep_builds(compose, sweep):
    compose("experiment=ccnet_unav100", f"sweep={sweep}")
    built = instantiate(HydraConfig.get().sweeper)
    assert type(built).__name__ == ("GridSweeper" if sweep == "grid" else "OptunaSweeper")  # Hydra imports it anew


@pytest.mark.parametrize(
    ("sweep", "experiment"), [(sweep, name) for sweep in EXPERIMENTS for name in EXPERIMENTS[sweep]]
)
def test_what_is_searched_is_there(compose, sweep, experiment):
    config = compose(f"experiment={experiment}", f"sweep={sweep}")
    keys = HydraConfig.get().sweeper.search_space
    assert [key for key in keys if not isinstance(OmegaConf.select(config, key), float)] == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_is_known(compose, launcher):
    package = launcher.partition("_")[0]
    if launcher != "basic" and not find_spec(f"hydra_plugins.hydra_{package}_launcher"):
        pytest.skip(f"the optional package {package} is not installed")
    compose("experiment=ccnet_unav100", f"launcher={launcher}")
    assert HydraConfig.get().launcher._target_ in Plugins.instance().class_name_to_class


@pytest.mark.parametrize(
    ("override", "space"),
    [
        ("a=interval(0.1,0.5)", {"low": 0.1, "high": 0.5, "log": False}),
        ("a=tag(log,interval(0.001,0.1))", {"low": 0.001, "high": 0.1, "log": True}),
        ("a=range(2,6)", {"low": 2, "high": 5, "step": 1}),
        ("a=range(2,7,2)", {"low": 2, "high": 6, "step": 2}),
        ("a=soft,hard", {"choices": ["soft", "hard"]}),
    ],
)
def test_the_command_line_can_say_what_is_searched(override, space):
    assert swept(OverridesParser.create().parse_override(override)) == space


@pytest.mark.parametrize(("value", "text"), [(None, "null"), (True, "true"), (1e-5, "1e-05"), ("soft", "soft")])
def test_values_are_written_as_on_the_command_line(value, text):
    assert written(value) == text
