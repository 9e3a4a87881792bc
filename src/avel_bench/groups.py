"""What can be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from avel_bench.clips import ave_rows
from avel_bench.long_videos import long_rows
from avel_bench.metric import metric_rows
from avel_bench.reading import feature_rows
from avel_bench.rows import Row
from avel_bench.screen import Screen
from avel_bench.settings import Settings
from avel_bench.startup import startup_rows
from avel_bench.steps import step_rows
from avel_bench.suppression import nms_rows
from avel_bench.targets import target_rows
from avel_bench.training import training_rows

Measure = Callable[[Settings, Screen], Iterator[Row]]


class Group(NamedTuple):
    """Rows that belong together.

    Attributes:
        what: for people.
        on_cpu: measures them.
        on_gpu: measures them, or what is asked of a GPU in their place; None where a GPU has no part in it.
    """

    what: str
    on_cpu: Measure
    on_gpu: Measure | None


GROUPS = {
    "step": Group(
        "training steps of CCNet and UnAV: time, memory; on a GPU in several precisions", step_rows, training_rows
    ),
    "targets": Group("assignment of events to points", target_rows, target_rows),
    "nms": Group("from the numbers of a network to events", nms_rows, nms_rows),
    "metric": Group("mean average precision of a whole split", metric_rows, None),
    "features": Group("reading features from npy files and packed files", feature_rows, None),
    "ave": Group("an epoch over AVE's maps: does it wait for the disk?", ave_rows, ave_rows),
    "long": Group("finding events in videos of hours", long_rows, long_rows),
    "startup": Group("starting", startup_rows, None),
}
