import io
import logging

import pytest
import torch
from rich.console import Console

from avel_bench.screen import open_screen


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200, highlight=False)


@pytest.fixture
def screen(console):
    with open_screen(console) as opened:
        yield opened


@pytest.fixture(autouse=True)
def settings_of_the_process():
    """Benchmarks set them for the process that they have for themselves."""
    logger = logging.getLogger("lightning.pytorch")
    level, precision, state = logger.level, torch.get_float32_matmul_precision(), torch.get_rng_state()
    yield
    logger.setLevel(level)
    torch.set_float32_matmul_precision(precision)
    torch.set_rng_state(state)
