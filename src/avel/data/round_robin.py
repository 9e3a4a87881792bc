"""Batches of several tasks by turns, exact after a restart as those of one task are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from avel.batch import empty_batch
from avel.data.sampling import ResumableLoader
from avel.errors import UserError


class RoundRobinLoader:
    """Gives every task one batch per round, for an optimizer step of its own (UniAV, Geng et al., arXiv 2404.03179).

    A round has a slot for each task, in the order of the tasks, and an epoch `len` = rounds * tasks slots. Loaders
    start anew at the beginning of an epoch, and within it where they are exhausted. Every such pass has a number of its
    own in the whole training, which is the epoch of its sampler: order and crops change from pass to pass.

    A task that rests is trained only in some rounds. Its other slots hold empty batches, for which no optimizer step
    is made: what counts slots, as schedules do, need not know about it.

    As in `ResumableLoader`, what was handed out counts, not what workers have prefetched, and a saved place counts only
    in the epoch that it was saved in. Who rests is not saved: whoever decides that says it again.

    Attributes:
        epoch: the one that is drawn next.
        resting: names of the tasks that rest; may change between any two slots.
        every: tasks that rest are trained in the rounds whose number in the whole training this number divides.

    Args:
        loaders: task -> its batches; at least one task, at least one batch each.
        rounds: of an epoch; None for as many as the longest loader has batches.
        same_epochs: give the first epoch again and again.
    """

    def __init__(
        self, loaders: Mapping[str, ResumableLoader], rounds: int | None = None, *, same_epochs: bool = False
    ) -> None:
        self.loaders = dict(loaders)
        self.rounds = rounds or max(map(len, self.loaders.values()))
        self.same_epochs = same_epochs
        self.epoch = 0
        self.resting: Collection[str] = ()
        self.every = 4
        self._slots = 0
        self._taken: Counter[str] = Counter()  # batches of each task in this epoch
        self._turns: list[str | None] = []  # whose batch each slot of this epoch held so far; None: an empty one
        self._resume: dict[str, Any] | None = None

    def __len__(self) -> int:
        return self.rounds * len(self.loaders)

    @property
    def sampler(self) -> RoundRobinLoader:
        """Where Lightning looks for `set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that is drawn next (called by the trainer)."""
        self.epoch, self._slots, self._taken = epoch, 0, Counter()

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch, the number of its slots that were handed out and how many batches of each task were."""
        here = {"epoch": self.epoch, "slots": self._slots, "batches": dict(self._taken), "plan": self._plan}
        return self._resume or here

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue behind the last slot that was handed out, if the saved epoch is the next to be drawn."""
        self._resume = state

    def put_back(self, batches: int) -> None:
        """Count the last batches as not handed out: what they were for did not happen."""
        for task in [self._turns.pop() for _ in range(batches)]:
            self._slots -= 1
            if task is not None:
                self._taken[task] -= 1

    def close(self) -> None:
        """End the processes that read ahead; the next iteration starts new ones."""
        for loader in self.loaders.values():
            loader.close()

    def __iter__(self) -> Iterator[Any]:
        # a generator: nothing is drawn before Lightning has told the epoch and the place in it
        self._take_place()
        passes = [(task, self._passes(task)) for task in self.loaders]
        for slot in range(self._slots, len(self)):
            number, turn = divmod(slot, len(passes))
            task, batches = passes[turn]
            self._slots = slot + 1
            if task in self.resting and (self.epoch * self.rounds + number) % self.every:
                self._turns.append(None)
                yield empty_batch(task)
                continue
            batch = next(batches)
            self._taken[task] += 1
            self._turns.append(task)
            yield batch

    def _passes(self, task: str) -> Iterator[Any]:
        loader = self.loaders[task]
        first = 0 if self.same_epochs else self.epoch * -(-self.rounds // len(loader))
        while True:
            number, done = divmod(self._taken[task], len(loader))
            loader.seek(first + number, done)
            yield from loader

    def _take_place(self) -> None:
        state, self._resume = self._resume, None
        self._slots, self._taken, self._turns = 0, Counter(), []
        if state is None or state["epoch"] != self.epoch:
            return
        if state["slots"] and state["plan"] != self._plan:
            raise UserError(
                f"the checkpoint was written in the middle of an epoch of {state['plan']}, now it is one of"
                f" {self._plan}: keep tasks, data.rounds, the batch sizes of data.sets and trainer.devices to resume it"
            )
        self._slots, self._taken = state["slots"], Counter(state["batches"])

    @property
    def _plan(self) -> str:
        """What the place of a batch depends on."""
        tasks = [f"{task} ({len(each)} batches of {each.step_size} videos)" for task, each in self.loaders.items()]
        return f"{self.rounds} rounds of {', '.join(tasks)}"
