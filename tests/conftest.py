import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import gettempdir

import pytest
import torch
from hypothesis import settings

from tests.forked import ForkServer

# W&B keeps runs on disk, whoever is logged in here, watches no machine and reports to nobody.
os.environ |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_CONSOLE": "off"}
os.environ |= {"WANDB__DISABLE_STATS": "true", "WANDB__DISABLE_MACHINE_INFO": "true"}
os.environ |= {"WANDB_CACHE_DIR": str(Path(gettempdir()) / "avel-tests")}

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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keeps the garbage collector from walking, again and again, through thousands of tests and all they import."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the fault tests injected and what survived: their `told`, also of the workers of xdist."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    calls = [report for report in reports if isinstance(report, pytest.TestReport) and report.when == "call"]
    lines = [(report.nodeid, text) for report in calls for name, text in report.user_properties if name == "fault"]
    if lines:
        terminalreporter.section("faults")
    for nodeid, text in sorted(lines):
        terminalreporter.line(f"{nodeid.rpartition('::')[2]}: {text}")
