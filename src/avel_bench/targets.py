"""Group targets: which events the points of a batch answer for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from avel.segments.points import default_ranges, pyramid_points
from avel.segments.targets import assign_targets
from avel_bench.rows import Goal, Row
from avel_bench.screen import Screen
from avel_bench.settings import Settings
from avel_bench.timing import Work, time_by_turns

VIDEOS, SNIPPETS, LEVELS, CLASSES = 16, 256, 6, 100
"""A batch, and the published pyramid: 504 points."""
EVENTS = 9
"""Events of the video with the most, as in a batch of UnAV-100; the others have fewer and are padded."""
GOAL = Goal(0.1)
"""Milliseconds per video, on a CPU."""


def target_rows(settings: Settings, screen: Screen) -> Iterator[Row]:
    """Measure the assignment with offsets per class and without."""
    device = torch.device(settings.device)
    points = pyramid_points(SNIPPETS, default_ranges(LEVELS), device)
    segments = (torch.rand(VIDEOS, EVENTS, 2) * SNIPPETS).sort().values.to(device)
    behind = torch.arange(EVENTS) > torch.randint(EVENTS, (VIDEOS, 1))
    labels = torch.randint(CLASSES, (VIDEOS, EVENTS)).masked_fill(behind, -1).to(device)
    assign = partial(assign_targets, points, segments, labels, num_classes=CLASSES)
    goal = None if settings.on_gpu else GOAL
    what = f"{VIDEOS} videos x {len(points.position)} points x {CLASSES} classes"
    works = [
        Work(f"{what}, {kind}", partial(assign, class_aware=kind == "class-aware"), VIDEOS, goal)
        for kind in ("class-aware", "class-agnostic")
    ]
    yield from time_by_turns(works, "ms/video", settings, screen)
