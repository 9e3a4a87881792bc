"""Order of the samples: who is drawn when, independent of workers and exact after a restart.

Chance is a pure function of (seed, epoch, index). The sampler hands out keys (index, epoch), so the data set
can draw its crops from `sample_random` in whichever process it works. The loader counts the batches that it
has handed out, not those that its workers have prefetched: a run that is resumed in mid-epoch sees the
batches that it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from traceback import clear_frames
from typing import Any, Literal, get_args

from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from avel.batch import Batch
from avel.data.option_names import name_options_of
from avel.data.workers import explained
from avel.errors import UserError, check_choice

Order = Literal["shuffled", "shuffled_once", "fixed", "first_batch_shuffled"]


def sample_random(seed: int, epoch: int, index: int) -> Random:
    """Return the generator of one sample in one epoch."""
    return Random(f"{seed}/{epoch}/{index}")


class EpochSampler(DistributedSampler[tuple[int, int]]):
    """Draws keys (index, epoch) for one of several ranks.

    Training draws by (seed, epoch) and gives every rank equally many: the n-th batches of all ranks together are the
    n-th batch of one process whose batches are as large as theirs together.

    Evaluation keeps the order and shares out whole batches: each has the videos, and so to the last digit the
    predictions, that it has on a single rank. Every video is seen by exactly one rank, unless there are fewer batches
    than ranks: those without one repeat the first, because all must take part, and metrics count a video once.

    Lightning does not wrap it in a second sampler because it is a `DistributedSampler`.

    Released codes train in other orders: "shuffled_once" is drawn by the seed alone, so that only crops change with the
    epoch (UniAV); "fixed" is that of the data set in every epoch (AV-att, whose list is sorted by class);
    "first_batch_shuffled" draws the first batch from all and keeps the rest (weakly supervised PSP).

    Args:
        dataset: what is drawn from.
        training: draw in `order` and divide evenly.
        order: "shuffled", or one of those above.
        first: samples of the first batch on all ranks, for "first_batch_shuffled".
        batch_size: of evaluation.
        seed: of the order.
        rank: this process.
        world_size: how many there are.
    """

    skip = 0
    """Keys that the next pass leaves out at its start (set for one pass, by the loader that resumes)."""

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        training: bool,
        order: Order = "shuffled",
        first: int = 0,
        batch_size: int = 1,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        check_choice("data.loader.order", order, get_args(Order))
        super().__init__(dataset, num_replicas=world_size, rank=rank, shuffle=training, seed=seed)
        self.size = len(dataset)  # type: ignore[arg-type]
        self.order = order
        self.first = first
        self.batch_size = batch_size

    def __len__(self) -> int:
        return self.size // self.num_replicas if self.shuffle else len(self._whole_batches())

    def __iter__(self) -> Iterator[tuple[int, int]]:
        mine = self._drawn() if self.shuffle else self._whole_batches()
        skip, self.skip = self.skip, 0
        return iter([(index, self.epoch) for index in mine[skip:]])

    def _drawn(self) -> list[int]:
        return self._indices()[self.rank :: self.num_replicas][: len(self)]

    def _whole_batches(self) -> list[int]:
        batches = -(-self.size // self.batch_size)
        rank = self.rank if self.rank < batches else 0
        return [index for index in range(self.size) if index // self.batch_size % self.num_replicas == rank]

    def _indices(self) -> list[int]:
        listed = list(range(self.size))
        if self.order == "fixed":
            return listed
        drawn = list(listed)
        Random(f"{self.seed}/{0 if self.order == 'shuffled_once' else self.epoch}").shuffle(drawn)
        return drawn[: self.first] + listed[self.first :] if self.order == "first_batch_shuffled" else drawn


class ResumableLoader(DataLoader[Any]):
    """A DataLoader whose place in the epoch Lightning saves in checkpoints.

    Draws from an `EpochSampler`. `__iter__` is a generator, so that nothing is drawn before the first batch is
    asked for: only then has Lightning told the sampler its epoch. A saved place counts only for the epoch that
    it was saved in.
    """

    handed_out = 0
    resume: dict[str, int] | None = None
    reads, task = "videos", ""
    """What the loader reads, and for which task, for messages."""

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and the number of its batches that were handed out."""
        return self.resume or self._place(self.handed_out)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue behind the last batch that was handed out, if the saved epoch is the next to be drawn."""
        self.resume = state

    def seek(self, epoch: int, batches: int = 0) -> None:
        """Let the next iteration give an epoch from behind some of its batches on."""
        sampler: Any = self.sampler
        sampler.set_epoch(epoch)
        self.resume = self._place(batches)

    def put_back(self, batches: int) -> None:
        """Count the last batches as not handed out: what they were for did not happen."""
        self.handed_out -= batches

    def close(self) -> None:
        """End the processes that read ahead; the next iteration starts new ones."""
        self._iterator = None

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        self.handed_out = self._take_place()
        try:
            for batch in super().__iter__():
                self.handed_out += 1
                yield batch
        except UserError as error:
            # the frames hold the workers, which would end only when the garbage collector finds them
            clear_frames(error.__traceback__)
            # torch puts the worker's whole traceback in front of the message
            told = str(error).rpartition("avel.errors.UserError: ")[2].rstrip()
            raise UserError(name_options_of(self.task, told)) from None
        except Exception as error:
            if explanation := explained(error, self.reads, name_options_of(self.task, "data.loader")):
                clear_frames(error.__traceback__)
                raise explanation from error
            raise

    @property
    def step_size(self) -> int:
        """Videos in a batch of all ranks together."""
        ranks = self.sampler.num_replicas if isinstance(self.sampler, EpochSampler) else 1
        return (self.batch_size or 0) * ranks

    @property
    def _epoch(self) -> int:
        # Lightning puts a plain sequential sampler here for `overfit_batches` and for prediction
        return self.sampler.epoch if isinstance(self.sampler, EpochSampler) else 0

    def _place(self, batches: int) -> dict[str, int]:
        return {"epoch": self._epoch, "batches": batches, "step_size": self.step_size}

    def _batches_of(self, step_size: int) -> int:
        """Batches of an epoch, had they so many videos on all ranks together."""
        videos = self.sampler.size if isinstance(self.sampler, EpochSampler) else len(self.sampler)  # type: ignore[arg-type]
        return videos // step_size if self.drop_last else -(-videos // step_size)

    def _take_place(self) -> int:
        state, self.resume = self.resume, None
        if state is None or state["epoch"] != self._epoch or self.batch_size is None:
            return 0
        if state["step_size"] != self.step_size and 0 < state["batches"] < self._batches_of(state["step_size"]):
            raise UserError(
                f"the checkpoint was written in the middle of an epoch with {state['step_size']} videos per step on all"
                f" ranks, now there are {self.step_size}: keep data.loader.batch_size and trainer.devices to resume it"
            )
        sampler: Any = self.sampler
        sampler.skip = state["batches"] * self.batch_size
        return state["batches"]
