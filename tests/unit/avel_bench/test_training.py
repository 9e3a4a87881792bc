import pytest
import torch

from avel_bench import training
from avel_bench.settings import Settings
from avel_bench.training import BATCH, EPOCHS, VIDEOS, WAYS, training_rows

NARROW = Settings(size="narrow", repeats=2)


@pytest.mark.slow
def test_training_is_measured_as_on_a_gpu(screen):
    ways = WAYS[1:4]
    rows = list(training_rows(NARROW, screen, ways))
    speeds, minutes = ([row for row in rows if row.unit == unit] for unit in ("samples/s", "min"))
    assert [row.name for row in speeds] == [
        f"{method}, batch {BATCH}, {way.name}" for method in ("CCNet", "UnAV") for way in ways
    ]
    for speed, time in zip(speeds, minutes, strict=True):
        assert len(speed.samples) == NARROW.repeats
        assert time.samples[0] == pytest.approx(EPOCHS * VIDEOS / speed.samples[0] / 60)


def test_what_cannot_be_compiled_is_left_out(console, screen, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert training.possible(WAYS, screen) == [way for way in WAYS if not way.compiled]
    assert "compiled training is left out: method.compile=true: PyTorch builds" in console.file.getvalue()


def test_what_does_not_fit_into_the_memory_is_left_out(console, screen, monkeypatch):
    def too_large(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(training, "train", too_large)
    assert list(training_rows(NARROW, screen, WAYS[:1])) == []
    assert "CCNet, batch 16, float32, matmul_precision=highest: left out" in console.file.getvalue()
