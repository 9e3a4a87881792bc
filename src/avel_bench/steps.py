"""Group step, on a CPU: forward and backward of a batch of two videos."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from avel.batch import Batch
from avel.tasks.dense import DenseLocalizer
from avel_bench.cases import Case, cases
from avel_bench.children import counts_memory, in_child, peak_memory
from avel_bench.profiling import profile
from avel_bench.rows import Row, ratio
from avel_bench.screen import Screen
from avel_bench.settings import Settings
from avel_bench.timing import Work, time_by_turns


def step_rows(settings: Settings, screen: Screen) -> Iterator[Row]:
    """Measure time and memory of every method, in float32."""
    for name, case in cases(narrow=settings.narrow).items():
        if counts_memory(settings.device):
            screen.doing(f"{name}, peak memory")
            yield Row(f"{name}, peak memory", "MiB", [in_child(peak_of_step, case, settings.threads)])
        method = case.build()
        works = list(step_works(name, case, method))
        rows = time_by_turns(works, "ms/step", settings, screen)
        yield from rows
        if len(rows) > 1:
            yield ratio(f"{name}, short videos: cropped / padded", rows[-1], rows[-2])
        if settings.profile:
            for work in works:
                screen.show(profile(work, settings.profile, settings, screen))


def step_works(name: str, case: Case, method: DenseLocalizer) -> Iterator[Work]:
    """A step with full-length videos, and with videos of half the length where the method crops padding."""
    longest = case.max_length
    yield Work(f"{name}, {longest} snippets", partial(step, method, case.pair(longest)))
    length = method.padded_length(longest // 2)
    if length < longest:
        short = case.pair(longest // 2)
        yield Work(f"{name}, short videos, padded to {longest}", partial(step, method, short.pad_to(longest)))
        yield Work(f"{name}, short videos, padding cropped to {length}", partial(step, method, short))


def step(method: DenseLocalizer, batch: Batch) -> None:
    """Go forward and backward, without the optimizer."""
    method.zero_grad(set_to_none=True)
    method.losses(batch).total.backward()


def peak_of_step(case: Case, threads: int) -> float:
    """Return the MiB that the first step adds to the weights: activations and gradients (in a process of its own)."""
    torch.set_num_threads(threads)
    method, batch = case.build(), case.pair(case.max_length)
    return peak_memory(partial(step, method, batch), "cpu")
