from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import run_py
from tests.synthetic import write_tiny, write_tiny_ave, write_tiny_dense

__all__ = ["run_py"]

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
