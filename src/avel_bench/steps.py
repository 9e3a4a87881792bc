"""Group step, on a CPU: forward and backward of a batch of two videos."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import partial

import torch

from avel.batch import Batch
from avel.tasks.dense import DenseLocalizer
from avel.training.recomputing import recompute_activations
from avel_bench.cases import Case, cases
from avel_bench.children import counts_memory, in_child, peak_memory
from avel_bench.profiling import profile
from avel_bench.rows import Row, ratio
from avel_bench.screen import Screen
from avel_bench.settings import Settings
from avel_bench.timing import Work, time_by_turns

RECOMPUTED = "checkpoint_activations"


def step_rows(settings: Settings, screen: Screen) -> Iterator[Row]:
    """Measure time and memory of every method, in float32."""
    for name, case in cases(narrow=settings.narrow).items():
        if counts_memory(settings.device):
            yield from memory_rows(name, case, settings, screen)
        works = list(step_works(name, case, case.build()))
        kept, recomputed, *short = rows = time_by_turns(works, "ms/step", settings, screen)
        yield from rows
        yield ratio(f"{recomputed.name}: times the time", recomputed, kept)
        if short:
            yield ratio(f"{name}, short videos: cropped / padded", short[1], short[0])
        if settings.profile:
            for work in works:
                screen.show(profile(work, settings.profile, settings, screen))


def memory_rows(name: str, case: Case, settings: Settings, screen: Screen) -> Iterator[Row]:
    """Measure the memory of a step that keeps activations, and of one that computes them again."""
    rows = []
    for what, recompute in ((name, False), (f"{name}, {RECOMPUTED}", True)):
        screen.doing(f"{what}, peak memory")
        peak = in_child(peak_of_step, case, settings.threads, recompute=recompute)
        rows.append(Row(f"{what}, peak memory", "MiB", [peak]))
    kept, recomputed = rows
    yield from rows
    yield ratio(f"{recomputed.name}: times the memory", recomputed, kept)


def step_works(name: str, case: Case, method: DenseLocalizer) -> Iterator[Work]:
    """A step with full-length videos, and with videos of half the length where the method crops padding."""
    longest, full = case.max_length, case.pair(case.max_length)
    yield Work(f"{name}, {longest} snippets", partial(step, method, full))
    yield Work(f"{name}, {longest} snippets, {RECOMPUTED}", partial(step, recomputing(method), full))
    length = method.padded_length(longest // 2)
    if length < longest:
        short = case.pair(longest // 2)
        yield Work(f"{name}, short videos, padded to {longest}", partial(step, method, short.pad_to(longest)))
        yield Work(f"{name}, short videos, padding cropped to {length}", partial(step, method, short))


def recomputing(method: DenseLocalizer) -> DenseLocalizer:
    """Return a twin with the same weights (and gradients) that computes activations again."""
    twin = deepcopy(method, {id(weight): weight for weight in method.parameters()})
    recompute_activations(twin)
    return twin


def step(method: DenseLocalizer, batch: Batch) -> None:
    """Go forward and backward, without the optimizer."""
    method.zero_grad(set_to_none=True)
    method.losses(batch).total.backward()


def peak_of_step(case: Case, threads: int, *, recompute: bool) -> float:
    """Return the MiB that the first step adds to the weights: activations and gradients (in a process of its own)."""
    torch.set_num_threads(threads)
    method, batch = case.build(), case.pair(case.max_length)
    if recompute:
        recompute_activations(method)
    return peak_memory(partial(step, method, batch), "cpu")
