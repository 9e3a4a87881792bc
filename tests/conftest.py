from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

from tests.forked import ForkServer

# Two test processes share two cores; and no test may depend on how busy the machine is.
torch.set_num_threads(1)
settings.register_profile("avel", deadline=None, derandomize=True)
settings.load_profile("avel")


@pytest.fixture(scope="session")
def python() -> Iterator[ForkServer]:
    """`python.run(script, …)` is a process of its own, but of seconds less."""
    server = ForkServer()
    yield server
    server.close()
