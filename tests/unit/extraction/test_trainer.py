from datetime import timedelta

import pytest
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from avel.extraction.progress import ExtractionBar
from avel.extraction.trainer import patient_trainer


def test_one_process_needs_no_group():
    trainer = patient_trainer()
    assert isinstance(trainer.strategy, SingleDeviceStrategy)
    assert [callback for callback in trainer.callbacks if isinstance(callback, ExtractionBar)]


@pytest.mark.parametrize("options", [{"devices": 2}, {"num_nodes": 2}])
def test_several_wait_for_the_one_with_the_longest_video(options):
    strategy = patient_trainer(**options).strategy
    assert isinstance(strategy, DDPStrategy)
    assert strategy.process_group_backend == "gloo"
    assert strategy._timeout > timedelta(days=1)
