"""Randomness that a resumed run draws exactly as the uninterrupted one."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.random import SeedSequence
from torch import manual_seed


class SeedEachBatch(Callback):
    """Makes the random numbers of a training batch a function of seed, epoch, batch and rank.

    Generator states kept in checkpoints would not do: after restoring, Lightning opens the loaders, which
    draws from the global generator at another moment than in the uninterrupted run. Seeding anew before every
    batch needs no state and is exact for a resume at any batch, with any number of workers.

    Drop path and dropout draw from PyTorch's generators, on CPU and GPU, and only those are seeded. The
    data's own randomness (order, crops) is drawn ahead of the batch and brings its own seeds.

    Args:
        seed: seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed PyTorch's generators (called by the trainer)."""
        place = SeedSequence((self.seed, trainer.current_epoch, batch_idx, trainer.global_rank))
        manual_seed(int(place.generate_state(1)[0]))
