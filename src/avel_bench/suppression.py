"""Group nms: from the numbers of a network to events, and suppression alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from avel.batch import DensePrediction
from avel.data.families import FAMILIES
from avel.decoding.dense import DenseDecoder
from avel.decoding.detections import Detections
from avel.segments.nms import SuppressionRule, nms
from avel.segments.points import Points, default_ranges, pyramid_points
from avel_bench.rows import Row
from avel_bench.screen import Screen
from avel_bench.settings import Settings
from avel_bench.timing import Work, time_by_turns

SNIPPETS, LEVELS, CLASSES = 256, 6, 100
GRID = FAMILIES["one_peace"].grid
CANDIDATES = {"full": (2_000, 12_000), "narrow": (50, 200)}
BATCHES = 1, 16
UNLIKELY, LIKELY = -20.0, (-6.0, 3.0)
"""Logits of points that are no candidates, and bounds of those of candidates."""


def nms_rows(settings: Settings, screen: Screen) -> Iterator[Row]:
    """Measure the decoders with some numbers of candidates."""
    for candidates in CANDIDATES[settings.size]:
        yield from time_by_turns(list(works_of(candidates, settings.device)), "ms/video", settings, screen)


def works_of(candidates: int, device: str) -> Iterator[Work]:
    """All kinds of suppression for videos with so many candidates each."""
    what, soft = f"{candidates:,} candidates", DenseDecoder(pre_nms_topk=candidates)
    for videos in BATCHES:
        together = "" if videos == 1 else f", {videos} videos at once"
        yield _decoding(f"decode + soft-NMS, multiclass, {what}{together}", soft, candidates, videos, device)
    hard = DenseDecoder(pre_nms_topk=candidates, nms="hard")
    yield _decoding(f"decode + hard NMS, multiclass, {what}", hard, candidates, 1, device)
    voting = DenseDecoder(pre_nms_topk=candidates, per_class=False)
    yield _decoding(f"decode + soft-NMS, class-agnostic, with voting, {what}", voting, candidates, 1, device)
    start = torch.rand(1, candidates, 1) * SNIPPETS
    segments = start + torch.rand(1, candidates, 1) * torch.tensor([-20.0, 20.0])
    given = segments, torch.rand(1, candidates), torch.randint(CLASSES, (1, candidates)), torch.ones(1, candidates) > 0
    alone = partial(nms, *(tensor.to(device) for tensor in given), rule=SuppressionRule())
    yield Work(f"soft-NMS alone, multiclass, {what}", alone)


def decode(
    decoder: DenseDecoder, prediction: DensePrediction, points: Points, durations: torch.Tensor
) -> list[Detections]:
    """Turn the numbers of a batch into events."""
    return decoder.detect(decoder.candidates(prediction, points), durations, [GRID] * len(durations))


def _decoding(name: str, decoder: DenseDecoder, candidates: int, videos: int, device: str) -> Work:
    points = pyramid_points(SNIPPETS, default_ranges(LEVELS), torch.device(device))
    prediction = _prediction(candidates, videos, len(points.position), device)
    durations = torch.full((videos,), GRID.seen(SNIPPETS), dtype=torch.float64, device=device)
    return Work(name, partial(decode, decoder, prediction, points, durations), videos)


def _prediction(candidates: int, videos: int, points: int, device: str) -> DensePrediction:
    """Make numbers of which so many per video, anywhere in the pyramid, are candidates."""
    logits = torch.full((videos, points * CLASSES), UNLIKELY)
    chosen = torch.rand(videos, points * CLASSES).argsort(dim=1)[:, :candidates]
    logits.scatter_(1, chosen, torch.empty(videos, candidates).uniform_(*LIKELY))
    offsets = torch.rand(videos, points, CLASSES, 2) * 4 + 0.1
    mask = torch.ones(videos, points, dtype=torch.bool)
    shaped = logits.unflatten(1, (points, CLASSES))
    return DensePrediction(shaped.to(device), offsets.to(device), mask.to(device))
