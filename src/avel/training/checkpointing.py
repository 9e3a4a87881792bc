"""How a run writes its checkpoints: `best.ckpt`, `last.ckpt` and the one before it."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from avel.errors import UserError, check_count
from avel.files import whole_file
from avel.torch_files.pickled import read_pickled
from avel.training.checkpoint_files import check_checkpoint
from avel.training.signals import EndSignals

log = logging.getLogger(__name__)


def best_score(trainer: Trainer) -> float | None:
    """Highest validation score of a training, None where no checkpoint was chosen by one."""
    chosen = [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, BestCheckpoint)]
    scores = [best.best_model_score for best in chosen if str(best.monitor).startswith("val/")]
    return float(scores[0]) if scores and scores[0] is not None else None


class WholeFileIO(TorchCheckpointIO):
    """Writes checkpoints that appear whole or not at all.

    (Lightning writes to the system's temporary folder and moves. From another file system that is a copy, which a
    kill tears.)
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write beside the target, then take its place (called by the trainer, on rank 0)."""
        with whole_file(Path(path), durable=True) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)


class LastCheckpoint(Checkpoint):
    """Keeps `last.ckpt`, what a stopped run resumes from: written at the end of every epoch, and more often if asked.

    (Lightning's own callback does either the one or the other.) The one before it stays as `previous.ckpt` until the
    training has ended, for the case that `last.ckpt` is damaged. So a training takes the room of three checkpoints, and
    of a fourth while one is written.

    Where the machine asks the run to end, it is written
    after the current step, or where that is the last of an epoch, after the validation; `RunEnded` follows. Several
    ranks have to end after the same step, and to ask all of them makes every GPU wait: they do so now and then.

    Args:
        dirpath: folder of the checkpoint.
        every_n_train_steps: optimizer steps between two more savings, counted from the start of the run.
        agree_every_n_steps: optimizer steps after which several ranks ask each other whether one of them is to end; so
            long the machine has to wait for the end at most. One rank alone knows at every step.
        keep_previous: whether `previous.ckpt` is kept.
    """

    def __init__(
        self,
        dirpath: str | Path,
        every_n_train_steps: int | None = None,
        agree_every_n_steps: int = 10,
        *,
        keep_previous: bool = True,
    ) -> None:
        check_count("callbacks.last.every_n_train_steps", every_n_train_steps, optional=True)
        check_count("callbacks.last.agree_every_n_steps", agree_every_n_steps)
        self.path = Path(dirpath).resolve() / "last.ckpt"
        self.every_n_train_steps = every_n_train_steps
        self.agree_every_n_steps = agree_every_n_steps
        self.keep_previous = keep_previous
        self._saved_step = 0
        self._signals = EndSignals()
        self._ending = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """See who has the signals before Lightning does (called by the trainer)."""
        self._signals.remember()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen to the machine (called by the trainer)."""
        self._signals.take(at_once=False)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen to the machine: the test begins anew the next time (called by the trainer)."""
        self._signals.take(at_once=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save every so many steps, or because the run is to end (called by the trainer)."""
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # a run that resumes behind the last batch would not make up for the validation
        step, every = trainer.global_step, self.every_n_train_steps
        asked = (trainer.world_size == 1 or step % self.agree_every_n_steps == 0) and self._asked(trainer)
        if asked or (every and step % every == 0 and step != self._saved_step):
            self._save(trainer)
        self._ending = asked

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """End, now that the loggers have the step before, too (called by the trainer)."""
        if self._ending:
            raise self._signals.end()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End before the test (called by the trainer)."""
        if self._ending:
            raise self._signals.end()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let go of the one before, also where a resumed run has nothing left to train (called by the trainer)."""
        if trainer.is_global_zero:
            self._previous.unlink(missing_ok=True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, with what validation has found out (called by the trainer)."""
        self._save(trainer)
        self._ending = self._asked(trainer)

    def _asked(self, trainer: Trainer) -> bool:
        """Whether any rank was asked to end, which all ranks have to ask at the same time."""
        asked = self._signals.received is not None
        return trainer.strategy.reduce_boolean_decision(asked, all=False) if trainer.world_size > 1 else asked

    @property
    def _previous(self) -> Path:
        return self.path.with_name("previous.ckpt")

    def _save(self, trainer: Trainer) -> None:
        self._saved_step = trainer.global_step
        if trainer.is_global_zero and self.path.is_file():
            self._previous.unlink(missing_ok=True)
            if self.keep_previous:
                with suppress(OSError):  # a file system without hard links keeps none
                    os.link(self.path, self._previous)
        trainer.save_checkpoint(self.path)
        for logger in trainer.loggers:
            logger.after_save_checkpoint(self)  # type: ignore[arg-type]


class BestCheckpoint(ModelCheckpoint):
    """Keeps `best.ckpt`, the checkpoint with the highest `monitor`, also where a run goes on in another folder.

    (Lightning's own callback forgets the best score when the folder changes, so that a worse epoch would win.)

    Args:
        dirpath: folder of the checkpoints.
        monitor: name of the score, e.g. "event_f1"; None for what the method is judged by, "epoch" for the last
            validated epoch.
    """

    def __init__(self, dirpath: str | Path, monitor: str | None = None) -> None:
        super().__init__(
            dirpath,
            filename="best",
            monitor=monitor,
            mode="max",
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )
        self._came_along = False

    @property
    def path(self) -> Path:
        """Where the checkpoint lies."""
        return Path(str(self.dirpath)) / "best.ckpt"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Ask the method what it is judged by (called by the trainer)."""
        score = self.monitor or str(pl_module.monitor)
        self.monitor = score if score == "epoch" or score.startswith("val/") else f"val/{score}"
        super().setup(trainer, pl_module, stage)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a score that validation does not give, then save (called by the trainer)."""
        given = [name.removeprefix("val/") for name in trainer.callback_metrics if name.startswith("val/")]
        score = str(self.monitor).removeprefix("val/")
        if given and score not in (*given, "epoch"):
            raise UserError(f"protocol.monitor={score}: validation gives no such score. Known are {', '.join(given)}")
        super().on_validation_end(trainer, pl_module)

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether a score is the best so far, which NaN never is (called by the callback itself)."""
        return current is not None and not current.isnan() and super().check_monitor_top_k(trainer, current)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Bring the best checkpoint so far along, from beside the one that is resumed (called by the trainer).

        It is left behind if it has another score than the resumed checkpoint knows of: then it is newer, and the run
        comes to that validation again.
        """
        if trainer.state.fn != "fit":
            return
        came_along = trainer.is_global_zero and self._comes_along(Path(str(trainer.ckpt_path)), checkpoint)
        self._came_along = trainer.strategy.broadcast(came_along)

    def _comes_along(self, resumed: Path, checkpoint: dict[str, Any]) -> bool:
        """Bring the best checkpoint along where it is what the resumed one knows of."""
        before = resumed.resolve().with_name("best.ckpt")
        known = self._score(checkpoint)
        if known is None or not before.is_file():
            return False
        try:
            check_checkpoint(before)
            found = read_pickled(before, classes=False)
        except UserError as error:
            log.warning("%s: the best is sought anew from here on", error)
            if before == self.path:  # and not tested at the end if none is found
                before.replace(before.with_name("damaged.ckpt"))
            return False
        if self._score(found) != known:
            return False
        if before != self.path:
            with whole_file(self.path, durable=True) as temporary:
                shutil.copyfile(before, temporary)
        return True

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score if its checkpoint came along (called by the trainer)."""
        if not self._came_along:
            return
        path = str(self.path)
        here = {"dirpath": self.dirpath, "best_model_path": path, "kth_best_model_path": path}
        super().load_state_dict(state_dict | here | {"best_k_models": {path: state_dict["best_model_score"]}})

    def _score(self, checkpoint: dict[str, Any]) -> float | None:
        score = checkpoint.get("callbacks", {}).get(self.state_key, {}).get("best_model_score")
        return None if score is None else float(score)
