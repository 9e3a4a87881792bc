"""Stop-and-go: of several tasks, one that gains nothing any more is trained less often."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol, cast, get_args

from lightning.pytorch import Callback, LightningModule, Trainer

from avel.errors import UserError, check_choice, check_count, check_number
from avel.training.results import score_name

Resume = Literal["change", "drop"]

log = logging.getLogger(__name__)


class RestingData(Protocol):
    """What stop-and-go asks of a data module."""

    def by_task(self) -> Mapping[str, Any]:
        """The data sets by the task that their batches bear."""
        ...

    def rest(self, tasks: Collection[str], every: int) -> None:
        """From the next batch on train `tasks`, and no others, only in one of `every` rounds."""
        ...


@dataclass(frozen=True, slots=True)
class TaskState:
    """Where a task stands.

    Attributes:
        best: its best score; gains too small to count leave it as it is.
        idle: validations without a gain, as far as they are counted.
        cooldown: validations to come that are not counted.
        rested_from: score with which the task began to rest, None where it does not rest.
    """

    best: float = -math.inf
    idle: int = 0
    cooldown: int = 0
    rested_from: float | None = None


@dataclass(frozen=True, slots=True)
class RestRule:
    """When a task rests and when it goes on: see `StopAndGo`, whose arguments these are."""

    patience: int
    gain: float
    drop: float
    cooldown: int
    resume: Resume

    def __post_init__(self) -> None:
        for name in ("patience", "cooldown"):
            check_count(f"callbacks.stop_and_go.{name}", getattr(self, name), 0)
        for name in ("gain", "drop"):
            check_number(f"callbacks.stop_and_go.{name}", getattr(self, name), 0, 1, below=True)
        check_choice("callbacks.stop_and_go.resume", self.resume, get_args(Resume))

    def after(self, state: TaskState, score: float) -> TaskState:
        """Return where a task stands after a validation; a score of NaN says nothing."""
        if math.isnan(score):
            return state
        gained = score > (1 + self.gain) * state.best
        best = score if gained else state.best
        unlearned = self.resume == "change" and best <= 0
        idle = 0 if gained or state.cooldown or unlearned else state.idle + 1
        converged = idle > self.patience
        if state.rested_from is None:
            goes_on = False
        elif self.resume == "drop":
            goes_on = self._lost(score, best) and not converged
        else:
            goes_on = self._lost(score, state.rested_from) or gained
        if goes_on:
            return TaskState(best, cooldown=self.cooldown)
        if converged:
            rested_from = score if state.rested_from is None else state.rested_from
            return TaskState(best, cooldown=self.cooldown, rested_from=rested_from)
        return replace(state, best=best, idle=idle, cooldown=max(state.cooldown - 1, 0))

    def _lost(self, score: float, reference: float) -> bool:
        return score < (1 - self.drop) * reference


class StopAndGo(Callback):
    """Lets a task rest that gains nothing any more, and go on when it matters.

    12-in-1 (Lu et al., "12-in-1: Multi-Task Vision and Language Representation Learning", CVPR 2020) trains one network
    on twelve data sets. Small and easy ones are learned, and then overfitted, long before large ones; left out from
    then on, they would be forgotten. In its dynamic stop-and-go a task stops when its validation score has gained less
    than 0.1 % over two epochs: it is trained in few iterations only, enough not to be forgotten. When the score has
    dropped by 0.5 % of its best, the task goes on as before. No task ends the training.

    UniAV (Geng et al., arXiv 2404.03179) uses it for its three tasks, with about 1,200 to 10,000 training videos each:
    after every epoch the mAP of each is judged, and a task that rests is trained in one of four rounds.

    A task rests after more than `patience` validations without a gain. They are counted anew after every change and do
    not include the first `cooldown` ones. How a task goes on is an option:

    - `resume="change"`: it is being forgotten, as its score falls below (1 - drop) times the score with which it began
      to rest, or there is more to gain, as it beats its best. And no task rests before it has found anything at all.
    - `resume="drop"`, released: its score is below (1 - drop) times its best, whatever it was when the rest began. So a
      task that begins to rest below its best goes on soon, rests again, and so on; one that gets better while it rests,
      by what the others learn, does not go on.

    Args:
        patience: validations without a gain that are borne.
        gain: what counts as one: more than this share of the task's best score.
        drop: share of a score whose loss lets a resting task go on.
        cooldown: validations after a change that are not counted.
        every: rounds of which a resting task is trained in one.
        resume: "change" or "drop".
        warmup: validations at the beginning of the training that are not counted: where hardly anything is learned yet,
            scores are noise (released: 0).

    Raises:
        UserError: an impossible number, an unknown `resume`; when training begins: no tasks that could rest, or
            gradients that are accumulated over batches.
    """

    def __init__(
        self,
        patience: int = 1,
        gain: float = 0.001,
        drop: float = 0.005,
        cooldown: int = 1,
        every: int = 4,
        resume: Resume = "change",
        warmup: int = 0,
    ) -> None:
        self.rule = RestRule(patience, gain, drop, cooldown, resume)
        check_count("callbacks.stop_and_go.every", every)
        check_count("callbacks.stop_and_go.warmup", warmup, 0)
        self.every = every
        self.warmup = warmup
        self.states: dict[str, TaskState] = {}

    @property
    def resting(self) -> set[str]:
        """Names of the tasks that rest."""
        return {task for task, state in self.states.items() if state.rested_from is not None}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a training in which no task can rest (called by the trainer)."""
        if stage != "fit":
            return
        if "" in _data(trainer).by_task():
            raise UserError("callbacks.stop_and_go: the data have no tasks that could rest. Set it to null")
        if trainer.accumulate_grad_batches > 1:
            raise UserError(
                f"trainer.accumulate_grad_batches={trainer.accumulate_grad_batches}: a task can rest only where every"
                " batch is a step of its own. Set it to 1, or callbacks.stop_and_go to null"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with every task at its start, or where a checkpoint left off (called by the trainer)."""
        data = _data(trainer)
        self.states = {task: self.states.get(task, TaskState(cooldown=self.warmup)) for task in data.by_task()}
        data.rest(self.resting, self.every)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge every task (called by the trainer, before a checkpoint is written)."""
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        for task, before in self.states.items():
            score = float(trainer.callback_metrics[score_name("val", task, str(pl_module.monitor))])
            self.states[task] = self.rule.after(before, score)
            self._explain(task, before, score)
        _data(trainer).rest(self.resting, self.every)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log which tasks rest from now on (called by the trainer)."""
        values = {score_name("train", task, "resting"): float(task in self.resting) for task in self.states}
        pl_module.log_dict(values, sync_dist=True)  # alike on all ranks, but Lightning would warn

    def state_dict(self) -> dict[str, Any]:
        """Return where every task stands (called by the trainer for checkpoints)."""
        return {task: asdict(state) for task, state in self.states.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over where every task stood (called by the trainer)."""
        self.states = {task: TaskState(**state) for task, state in state_dict.items()}

    def _explain(self, task: str, before: TaskState, score: float) -> None:
        after = self.states[task]
        if before.rested_from is None and after.rested_from is not None:
            rare = f"trained in 1 of {self.every} rounds"
            log.info("%s rests, %s: a score of %.4f is no gain over %.4f", task, rare, score, after.best)
        elif before.rested_from is not None and after.rested_from is None:
            reference = before.best if self.rule.resume == "drop" else before.rested_from
            why = "its best so far" if score > before.best else f"too much less than {reference:.4f}"
            log.info("%s goes on: a score of %.4f is %s", task, score, why)


def _data(trainer: Trainer) -> RestingData:
    return cast(RestingData, trainer.datamodule)  # type: ignore[attr-defined]
