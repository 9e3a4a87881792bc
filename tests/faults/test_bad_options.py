"""Options of all kinds that are wrong: every one ends in a message that names it, or in a training."""

import logging
from random import Random

import pytest
import torch
from hydra.core.hydra_config import HydraConfig

from tests.faults.options import Command, write_data
from tests.faults.tally import Tally, tree

EXPERIMENTS = ("unav_unav100", "cmran_ave_weak", "uniav_multitask", "ccnet_custom")
PER_KEY, LEAST = 1, 180
"""Values that are tried of each key, besides a change of its name; and how many inputs there must be."""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def quiet():
    """Leave what trainers set for the whole process as it was."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)
    torch.use_deterministic_algorithms(False)
    HydraConfig.instance().cfg = None


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_wrong_options_end_in_a_message_that_names_them(experiment, small, quiet, tmp_path, monkeypatch, told):
    monkeypatch.chdir(tmp_path)
    command, tally = Command(experiment, small[experiment], tmp_path), Tally()
    monkeypatch.setattr("sys.argv", ["run.py", *command.overrides])
    overrides = list(dict.fromkeys(command.wrong(PER_KEY, Random(experiment))))
    for override in overrides:
        tally.put(lambda override=override: command.start(override), "", override)
    told(f"{len(overrides)} wrong options of {experiment}", tally.survived())
    assert tally.wrong == {}
    assert tally.inputs == len(overrides) > LEAST
    assert tally.messages.total() > len(overrides) / 2
    assert tree(tmp_path) == {}, "nothing is written before all is checked"
