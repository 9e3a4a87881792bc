"""What all data modules share: loaders that are exact after a restart, for every split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import Dataset

from avel.data.sampling import EpochSampler, Order, ResumableLoader
from avel.data.workers import heed_parent_only
from avel.errors import UserError, check_choice, check_count

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class LoaderOptions:
    """How batches are made.

    Attributes:
        batch_size: videos in a training batch (of each rank).
        eval_batch_size: videos in a batch of evaluation.
        num_workers: processes that read ahead; 0 reads in the main process.
        drop_last: leave out the last training batch of an epoch if it is not full.
        order: of the training videos, see `EpochSampler`.
    """

    batch_size: int = 16
    eval_batch_size: int = 16
    num_workers: int = 0
    drop_last: bool = True
    order: Order = "shuffled"

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("eval_batch_size", 1), ("num_workers", 0)):
            check_count(f"data.loader.{name}", getattr(self, name), least)


class Facts(Protocol):
    """What is known of any data set before it is read; a kind of data sets knows more."""

    @property
    def visual_dim(self) -> int:
        """Channels of the visual features."""
        ...

    @property
    def audio_dim(self) -> int:
        """Channels of the audio features."""
        ...

    @property
    def videos(self) -> dict[str, int]:
        """Split -> number of annotated videos."""
        ...


@dataclass(frozen=True, slots=True)
class TaskCollate:
    """Makes batches that bear the name of their task.

    Attributes:
        collate: makes a batch of samples.
        task: the name.
    """

    collate: Callable[[Sequence[Any]], Any]
    task: str

    def __call__(self, samples: Sequence[Any]) -> Any:
        """Return the batch of some samples."""
        return replace(self.collate(samples), task=self.task)


class LocalizationDataModule(LightningDataModule, ABC):
    """A data set with precomputed features, split into train, validation and test.

    Args:
        collate: makes a batch of samples.
        loader: how batches are made.
        seed: of order and crops.
        predict_split: split that `predict_dataloader` gives.
        selection_split: split that `val_dataloader` gives, by which a checkpoint is chosen.

    Raises:
        UserError: an unknown split.
    """

    tiou_grid: tuple[float, ...]
    """Thresholds that mean average precision is computed at."""

    task: str = ""
    """Name of the task that the batches bear, where a method has several."""

    def __init__(
        self,
        collate: Callable[[Sequence[Any]], Any],
        *,
        loader: LoaderOptions | None = None,
        seed: int = 0,
        predict_split: str = "test",
        selection_split: str = "validation",
    ) -> None:
        super().__init__()
        self.collate = collate
        check_choice("data.predict_split", predict_split, SPLITS)
        check_choice("data.selection_split", selection_split, SPLITS[1:])
        self.loader = loader or LoaderOptions()
        self.seed = seed
        self.predict_split = predict_split
        self.selection_split = selection_split
        self._training: ResumableLoader | None = None
        self._place: dict[str, int] | None = None

    @abstractmethod
    def facts(self) -> Facts:
        """Return what the data set is like, without reading all of it."""

    @abstractmethod
    def dataset(self, split: str, *, training: bool) -> Dataset[Any]:
        """The samples of a split, cropped and so on if they are for training."""

    @abstractmethod
    def prepare(self, split: str) -> None:
        """Check the files of a split (the first time)."""

    def one_sided(self, split: str) -> dict[str, dict[str, Any]]:
        """Return what is only heard or only seen, see `avel.data.one_sided`: nothing where annotations do not tell."""
        return {}

    def memory(self) -> dict[str, Any]:
        """Return what a checkpoint should remember of the data set, in plain values: a kind of data sets says more."""
        return {}

    def by_task(self) -> dict[str, LocalizationDataModule]:
        """Return the data sets by the task that their batches bear: this is the only one."""
        return {self.task: self}

    def setup(self, stage: str) -> None:
        """Check the files of the splits that the stage needs."""
        chosen = self.selection_split
        splits = {"fit": ("train", chosen), "validate": (chosen,), "test": ("test",)}
        for split in splits.get(stage, (self.predict_split,)):
            self.prepare(split)

    def state_dict(self) -> dict[str, Any]:
        """Return the place in the training epoch (called by the trainer for checkpoints).

        Lightning also asks the loader itself, but forgets to restore its place where the optimizer's schedule asks for
        the number of steps, because the loader is then made too early.
        """
        return self._training.state_dict() if self._training else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue in the place of a checkpoint (called by the trainer before loaders are made)."""
        self._place = state_dict

    def train_dataloader(self) -> ResumableLoader:
        """The training samples in the order that the options ask for."""
        self._training = loader = self._loader("train", training=True)
        if self._place is not None:
            loader.load_state_dict(self._place)
        if len(loader) == 0:
            samples: Any = loader.dataset
            raise UserError(
                f"data.loader.batch_size={self.loader.batch_size} is more than a rank's share of the"
                f" {len(samples)} training samples: choose a smaller one"
            )
        return loader

    def val_dataloader(self) -> ResumableLoader:
        """Whole videos of `selection_split` in the order of the annotations."""
        return self._loader(self.selection_split)

    def test_dataloader(self) -> ResumableLoader:
        """Whole test videos in the order of the annotations."""
        return self._loader("test")

    def predict_dataloader(self) -> ResumableLoader:
        """Whole videos of `predict_split` in the order of the annotations."""
        return self._loader(self.predict_split)

    def _loader(self, split: str, *, training: bool = False) -> ResumableLoader:
        dataset = self.dataset(split, training=training)
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        options = self.loader
        sampler = EpochSampler(
            dataset,
            training=training,
            order=options.order,
            first=options.batch_size * world_size,
            batch_size=options.eval_batch_size,
            seed=self.seed,
            rank=rank,
            world_size=world_size,
        )
        made = ResumableLoader(
            dataset,
            batch_size=options.batch_size if training else options.eval_batch_size,
            sampler=sampler,
            num_workers=options.num_workers,
            worker_init_fn=heed_parent_only,
            collate_fn=TaskCollate(self.collate, self.task),
            pin_memory=torch.cuda.is_available(),
            drop_last=training and options.drop_last,
            persistent_workers=options.num_workers > 0,
        )
        made.reads, made.task = f"{split} videos", self.task
        return made
