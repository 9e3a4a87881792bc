"""Checkpoint files of runs: whether one opens and is whole, and which others lie beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avel.errors import UserError
from avel.torch_files.pickled import check_sums, read_pickled

NAMES = ("last.ckpt", "previous.ckpt", "best.ckpt")
"""Checkpoints that a run keeps, in the order in which it goes on from them (`best.ckpt` is of amid a validation)."""

KEYS = {"state_dict", "loops", "epoch", "global_step", "pytorch-lightning_version"}
"""What such a checkpoint holds at least."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training had come.

    Attributes:
        epoch: in or after which the checkpoint was written, from 1.
        step: optimizer steps.
    """

    epoch: int
    step: int

    def __str__(self) -> str:
        return f"epoch {self.epoch}, step {self.step}"


@dataclass(frozen=True, slots=True)
class Found:
    """Checkpoints in a folder.

    Attributes:
        newest: the first of `NAMES` that is whole.
        progress: how far its training had come.
        damaged: those before it.
    """

    newest: Path | None
    progress: Progress | None
    damaged: tuple[Path, ...]


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any] | None:
    """Read the checkpoint of a run, whose parts must agree with their sums; None where a file is of another kind.

    Args:
        path: the file.
        device: "meta" for shapes without numbers, which is fast, and notices no damage to numbers.

    Raises:
        UserError: it is damaged, or holds more than plain values.
        OSError: the disk does not give it.
    """
    try:
        content = read_pickled(path, "meta", classes=False)
    except UserError:
        if _is_of_run(path):
            raise
        return None
    if not _of_run(content):
        return None
    checkpoint: dict[str, Any] = content if device == "meta" else read_pickled(path, device, classes=False)
    return checkpoint


def _is_of_run(path: Path) -> bool:
    """Whether a file would be the checkpoint of a run if it had nothing but plain values."""
    try:
        return _of_run(read_pickled(path, "meta"))
    except UserError:
        return False


def _of_run(content: Any) -> bool:
    return isinstance(content, dict) and "hyper_parameters" in content


def check_checkpoint(path: Path) -> Progress:
    """Return how far the training had come that a checkpoint holds; its numbers are not looked at.

    Raises:
        UserError: `path` is no file that opens as a checkpoint of a run.
        OSError: the disk does not give it.
    """
    if not path.is_file():
        what = "is a folder: give a file such as last.ckpt" if path.is_dir() else "there is no such file"
        raise UserError(f"ckpt_path={path}: {what}")
    content = None
    with suppress(UserError):
        content = read_pickled(path, "meta", classes=False)
    if isinstance(content, dict) and content.keys() >= KEYS:
        counts = content["epoch"], content["global_step"]
        if all(type(count) is int and count >= 0 for count in counts):
            return Progress(counts[0] + 1, counts[1])
    raise UserError(f"ckpt_path={path}: this is no checkpoint of a run, or a damaged one; take another file")


def find_checkpoints(folder: Path, *, leave_out: Path | None = None) -> Found:
    """Look for the newest whole checkpoint of a run in the folder of its checkpoints.

    Raises:
        OSError: the disk does not give one, which may be whole.
    """
    damaged = []
    for path in (folder / name for name in NAMES):
        if path.is_file() and path != leave_out:
            try:
                progress = check_checkpoint(path)
                check_sums(path)
            except UserError:
                damaged.append(path)
            except FileNotFoundError:  # another process of this run has set the folder aside
                continue
            else:
                return Found(path, progress, tuple(damaged))
    return Found(None, None, tuple(damaged))


def another(path: Path) -> str:
    """Say which checkpoint beside one that does not open can take its place; "" where there is none."""
    if path.suffix != ".ckpt":
        return ""
    found = find_checkpoints(path.parent, leave_out=path)
    return f"\n{found.newest} is whole ({found.progress}): take ckpt_path={found.newest}" if found.newest else ""


def best_checkpoint(folder: Path) -> str | None:
    """Path of `best.ckpt` in a run folder, of `last.ckpt` where nothing was validated; None if there is neither."""
    paths = [folder / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
    return next((str(path) for path in paths if path.is_file()), None)


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
    except ValueError as error:
        if "parameter group" not in str(error):
            raise
        raise UserError(
            f"ckpt_path={path}: was trained with learning rates of other groups of parameters: repeat the"
            " method.optimizer.lr_of of its run, or choose an lr that is none of those"
        ) from error
