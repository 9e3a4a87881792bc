"""Checkpoint files: `best.ckpt`, and whether one can be opened."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from avel.errors import UserError
from avel.training.files import whole_file


def check_checkpoint(path: Path) -> None:
    """Raise a UserError unless `path` is a file that opens as a checkpoint."""
    if not path.is_file():
        raise UserError(f"ckpt_path={path}: there is no such file")
    try:
        keys = set(torch.load(path, map_location="meta", weights_only=True))
    except (RuntimeError, OSError, EOFError, IndexError, UnpicklingError):
        keys = set()
    if not {"state_dict", "loops"} <= keys:
        raise UserError(f"ckpt_path={path}: this is no checkpoint of a run, or a damaged one; take another file")


@contextmanager
def sizes_must_fit(path: str | None) -> Iterator[None]:
    """Turn the failure to load the weights of `path` into a UserError that says what to do."""
    try:
        yield
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        complaint = " ".join(str(error).split())[:200]
        raise UserError(
            f"ckpt_path={path}: these are the weights of another method, size or data set. Repeat the options of their"
            f" run: config.yaml in its run folder has them.\n{complaint} …"
        ) from error


def best_checkpoint(folder: Path) -> str:
    """Path of `best.ckpt` in a run folder, of `last.ckpt` where nothing was validated."""
    paths = [folder / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
    return str(next(path for path in paths if path.is_file()))


class BestCheckpoint(ModelCheckpoint):
    """Keeps `best.ckpt`, the checkpoint with the highest `monitor`, also where a run goes on in another folder.

    (Lightning's own callback forgets the best score when the folder changes, so that a worse epoch would win.)

    Args:
        dirpath: folder of the checkpoints.
        monitor: name of the metric.
    """

    def __init__(self, dirpath: str | Path, monitor: str) -> None:
        super().__init__(
            dirpath,
            filename="best",
            monitor=monitor,
            mode="max",
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )

    @property
    def path(self) -> Path:
        """Where the checkpoint lies."""
        return Path(str(self.dirpath)) / "best.ckpt"

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Bring the best checkpoint so far along, from beside the one that is resumed (called by the trainer)."""
        if trainer.state.fn != "fit":
            return
        before = Path(str(trainer.ckpt_path)).resolve().with_name("best.ckpt")
        if trainer.is_global_zero and before.is_file() and before != self.path:
            with whole_file(self.path) as temporary:
                shutil.copyfile(before, temporary)
        trainer.strategy.barrier()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score if its checkpoint came along (called by the trainer)."""
        if not self.path.is_file():
            return
        path = str(self.path)
        here = {"dirpath": self.dirpath, "best_model_path": path, "kth_best_model_path": path}
        super().load_state_dict(state_dict | here | {"best_k_models": {path: state_dict["best_model_score"]}})
