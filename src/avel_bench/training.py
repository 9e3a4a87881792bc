"""Group step, on a GPU: training as `run.py` does it, in several precisions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader

from avel.batch import Batch
from avel.errors import UserError
from avel.tasks.dense import DenseLocalizer
from avel.training.averaging import ExponentialMovingAverage
from avel.training.compiling import CompiledTraining, check_compiler
from avel.training.recomputing import recompute_activations
from avel_bench.cases import cases
from avel_bench.children import peak_memory
from avel_bench.profiling import profile
from avel_bench.rows import Goal, Row
from avel_bench.screen import Screen
from avel_bench.settings import Settings
from avel_bench.steps import step
from avel_bench.timing import Work, clock

BATCH = 16
STEPS = {"full": 10, "narrow": 1}
"""Training steps of a sample, which is their mean."""
EPOCHS, VIDEOS = 45, 6_489
"""Published epochs, and training videos of UnAV-100."""
GOALS = {("CCNet", "bf16-mixed, compiled"): Goal(20)}
"""Minutes for the epochs."""


class Way(NamedTuple):
    """How it is trained.

    Attributes:
        name: for people.
        precision: of the trainer.
        matmul: precision of float32 products, `matmul_precision` of a run.
        compiled: by `torch.compile`.
        recomputed: with `method.checkpoint_activations`.
    """

    name: str
    precision: Any = "32-true"
    matmul: str = "high"
    compiled: bool = False
    recomputed: bool = False


WAYS = (
    Way("float32, matmul_precision=highest", matmul="highest"),
    Way("float32"),
    Way("float32, checkpoint_activations", recomputed=True),
    Way("bf16-mixed", "bf16-mixed"),
    Way("bf16-mixed, compiled", "bf16-mixed", compiled=True),
)


class StepTimes(Callback):
    """Notes when training steps end, all that belongs to them included."""

    def __init__(self, settings: Settings) -> None:
        self.now = clock(settings)
        self.ends: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Note the time (called by the trainer)."""
        self.ends.append(self.now())


def training_rows(settings: Settings, screen: Screen, ways: Sequence[Way] = WAYS) -> Iterator[Row]:
    """Measure every method: speed, memory, and what that makes for the training of the paper."""
    ways = possible(ways, screen)
    for name, case in cases(narrow=settings.narrow).items():
        batch = case.batch([case.max_length - index % 2 * case.shorter for index in range(BATCH)]).to(settings.device)
        for way in ways:
            what = f"{name}, batch {BATCH}, {way.name}"
            screen.doing(what)
            seconds: list[float] = []
            training = partial(train, case.build(), batch, way, settings, seconds)
            try:
                peak = peak_memory(training, settings.device)
            except torch.OutOfMemoryError:
                screen.show(f"{what}: left out, it does not fit into the memory of this GPU")
                continue
            yield Row(what, "samples/s", [BATCH / each for each in seconds])
            yield Row(f"{what}: peak memory", "MiB", [peak])
            minutes = [each * EPOCHS * VIDEOS / BATCH / 60 for each in seconds]
            yield Row(f"{what}: {EPOCHS} epochs", "min", minutes, GOALS.get((name, way.name)))
        if settings.profile:
            method = case.build().to(settings.device)
            work = Work(f"{name}, batch {BATCH}, float32", partial(step, method, batch))
            work.run()  # what is made once
            screen.show(profile(work, settings.profile, settings, screen))


def possible(ways: Sequence[Way], screen: Screen) -> Sequence[Way]:
    """Leave out what cannot be compiled."""
    try:
        check_compiler()
    except UserError as error:
        screen.show(f"compiled training is left out: {error}")
        return [way for way in ways if not way.compiled]
    return ways


def train(method: DenseLocalizer, batch: Batch, way: Way, settings: Settings, seconds: list[float]) -> None:
    """Train with the same batch over and over; `seconds` gets those of a step, sample by sample."""
    torch.set_float32_matmul_precision(way.matmul)
    if way.recomputed:
        recompute_activations(method)
    steps, times = STEPS[settings.size], StepTimes(settings)
    rounds = settings.warmup + settings.repeats
    trainer = Trainer(
        accelerator="gpu" if settings.on_gpu else "cpu",
        devices=1,
        precision=way.precision,
        max_epochs=1,
        callbacks=[ExponentialMovingAverage(), times, *([CompiledTraining()] if way.compiled else [])],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches = [batch] * (1 + rounds * steps)  # what comes before the end of the first step does not count
    loader: DataLoader[Batch] = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")  # no validation, no workers: on purpose
        trainer.fit(method, loader)
    ends = times.ends[settings.warmup * steps :: steps]
    seconds += [(after - before) / steps for before, after in pairwise(ends)]
