"""Group ave: whether an epoch over AVE's maps waits for the disk or for the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from torch.optim import Optimizer

from avel.data.ave import AVE
from avel.data.ave_annotations import KEY
from avel.data.module import LoaderOptions
from avel.data.synthetic_ave import SyntheticAVEOptions, write_ave
from avel.methods.av_att import AVAtt
from avel.training.optim import build_adam
from avel_bench.disk import forget, temporary_folder, videos_that_fit
from avel_bench.rows import Goal, Row
from avel_bench.screen import Screen
from avel_bench.settings import Settings
from avel_bench.timing import wall_clock

ALL, TRAINED = 4_143, 3_339
"""Videos of AVE, and of its training split."""
SNIPPETS, SIDE = 10, 7
BUSY = Goal(90, at_most=False)
"""Percent of the time of an epoch."""
BLOCK = 64
"""Clips that are written at once."""


class Size(NamedTuple):
    """Widths of the features, classes, training videos, videos of a batch and processes that read ahead."""

    visual: int
    audio: int
    classes: int
    videos: int
    batch: int
    workers: int


SIZES = {"full": Size(512, 128, 28, TRAINED, 64, 2), "narrow": Size(4, 3, 2, 40, 8, 0)}
"""Published ones, read as `conf/data/ave.yaml` says."""


class Epoch(NamedTuple):
    """Seconds of each step: waiting for its batch, and computing."""

    waiting: list[float]
    computing: list[float]

    @property
    def busy(self) -> float:
        """Percent of the time in which the device computes."""
        computing = sum(self.computing)
        return 100 * computing / (computing + sum(self.waiting))


def ave_rows(settings: Settings, screen: Screen) -> Iterator[Row]:
    """Measure an epoch from the disk and one from memory, by the clock on the wall."""
    size = SIZES[settings.size]
    with temporary_folder(settings) as folder:
        each = SNIPPETS * SIDE**2 * size.visual * 4 * ALL // TRAINED
        trained = videos_that_fit(folder, settings, default=size.videos, each=each)
        screen.doing(f"AVE, writing the maps of {trained:,} training clips")
        write_clips(folder, size, trained)
        for state, epoch in epochs(folder, size, settings, screen).items():
            what = f"AV-att, {trained:,} clips, {state} epoch"
            yield Row(f"{what}: {settings.device} busy", "%", [epoch.busy], BUSY)
            yield Row(f"{what}: computing", "ms/step", [1e3 * seconds for seconds in epoch.computing])
            yield Row(f"{what}: waiting for the batch", "ms/step", [1e3 * seconds for seconds in epoch.waiting])


def write_clips(folder: Path, size: Size, trained: int) -> None:
    """Write a data set in AVE's files, the features being noise."""
    videos = max(-(-trained * ALL // TRAINED), 3 * size.classes)
    narrow = SyntheticAVEOptions(videos=videos, classes=size.classes, visual_dim=1, audio_dim=1, dtype="float32")
    write_ave(folder, narrow)
    _write_noise(folder / "visual_feature.h5", (videos, SNIPPETS, SIDE, SIDE, size.visual))
    _write_noise(folder / "audio_feature.h5", (videos, SNIPPETS, size.audio))


def epochs(folder: Path, size: Size, settings: Settings, screen: Screen) -> dict[str, Epoch]:
    """Train for two epochs: the first reads from the disk."""
    data = AVE(root=folder, loader=LoaderOptions(batch_size=size.batch, num_workers=size.workers))
    data.setup("fit")
    method = AVAtt(num_classes=size.classes, visual_dim=size.visual, audio_dim=size.audio, positions=SIDE**2)
    method.to(settings.device)
    optimizer, loader, found = build_adam(method, method.recipe), data.train_dataloader(), {}
    forget(folder)
    for state in ("cold", "warm"):
        screen.doing(f"AV-att, {state} epoch of {len(loader)} steps")
        found[state] = run_epoch(method, optimizer, loader, settings)
    return found


def run_epoch(method: AVAtt, optimizer: Optimizer, loader: Iterable[Any], settings: Settings) -> Epoch:
    """Make a step with every batch."""
    now, epoch = wall_clock(settings), Epoch([], [])
    before = now()
    for batch in loader:
        ready = now()
        optimizer.zero_grad()
        torch.stack([*method.losses(batch.to(settings.device, non_blocking=True)).values()]).sum().backward()
        optimizer.step()
        epoch.waiting.append(ready - before)
        before = now()
        epoch.computing.append(before - ready)
    return epoch


def _write_noise(path: Path, shape: tuple[int, ...]) -> None:
    """Write random numbers, the same again and again: reading does not look at them."""
    block = np.random.default_rng(0).standard_normal((BLOCK, *shape[1:]), np.float32)
    with h5py.File(path, "w") as file:
        array = file.create_dataset(KEY, shape=shape, dtype=np.float32)
        for start in range(0, shape[0], BLOCK):
            array[start : start + BLOCK] = block[: shape[0] - start]
