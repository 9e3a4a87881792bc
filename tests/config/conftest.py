import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from tests.synthetic import write_tiny, write_tiny_ave, write_tiny_custom, write_tiny_dense

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Callable[..., DictConfig]]:
    """Composes as run.py does."""

    def compose(*overrides: str) -> DictConfig:
        config = hydra.compose("config", overrides=list(overrides), return_hydra_config=True)
        config.hydra.runtime.output_dir = str(tmp_path / "run")
        HydraConfig.instance().set_config(config)
        return OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])

    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        yield compose
    HydraConfig.instance().cfg = None


@pytest.fixture(scope="session")
def data_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Family of UnAV-100's features, or another data set -> folder with a tiny data set."""
    families = ("one_peace", "i3d_vggish")
    folders = {family: write_tiny(tmp_path_factory.mktemp(family), features=family) for family in families}
    folders["ave"] = write_tiny_ave(tmp_path_factory.mktemp("ave"))
    folders["custom"] = write_tiny_custom(tmp_path_factory.mktemp("custom"))
    dense = {"activitynet13": "tsp", "desed": None, "thumos14": None}
    return folders | {
        name: write_tiny_dense(tmp_path_factory.mktemp(name), name, features=features)
        for name, features in dense.items()
    }


@pytest.fixture
def processes() -> Iterator[None]:
    """Leaves no process group, and none of its addresses, behind."""
    before = dict(os.environ)
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
