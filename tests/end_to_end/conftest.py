import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.forked import ROOT, ForkServer
from tests.synthetic import TINY, write_tiny

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("data"))


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}


@pytest.fixture(scope="session")
def run_py_afresh() -> Run:
    """Runs `python run.py …` as a person would."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "run.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def run_py(python: ForkServer) -> Run:
    """The same, of seconds less."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return python.run("run.py", *arguments, environment=environment())

    return run


@pytest.fixture(scope="session")
def tiny(data_dir: Path) -> tuple[str, ...]:
    """Overrides of a run of seconds: 14 training videos, so 3 steps an epoch."""
    return ("experiment=ccnet_unav100", *TINY, f"paths.data_dir={data_dir}", "trainer.log_every_n_steps=1")
