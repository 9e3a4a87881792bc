from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clips import write_clips
from tests.end_to_end.conftest import run_py
from tests.forked import ForkServer
from tests.synthetic import write_tiny, write_tiny_ave, write_tiny_dense

__all__ = ["run_py"]

OWN = ("experiment=unav_custom", "size=narrow", "trainer.max_epochs=1", "data.loader.batch_size=4", "report=null")
Told = Callable[[str, str], None]


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Told:
    """`told(what was injected, what survived)`: a line of the summary that ends the tests, whichever worker ran it."""
    return lambda injected, survived: request.node.user_properties.append(("fault", f"{injected}: {survived}"))


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set for every kind of method."""
    folder = write_tiny(tmp_path_factory.mktemp("data"))
    write_tiny_ave(folder)
    return write_tiny_dense(folder, "desed", features="one_peace")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos, and annotations of them."""
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, 6)
    return folder


@pytest.fixture(scope="module")
def features(python: ForkServer, clips: Path) -> Path:
    done = python.run("scripts/extract_features.py", clips / "videos", clips / "features")
    assert done.returncode == 0, done.stderr
    return clips / "features"


@pytest.fixture(scope="module")
def checkpoint(python: ForkServer, clips: Path, features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    places = (f"data.annotations={clips / 'annotations.csv'}", f"data.feature_dir={features}", f"hydra.run.dir={run}")
    done = python.run("run.py", *OWN, *places)
    assert done.returncode == 0, done.stderr
    return run / "checkpoints" / "last.ckpt"
