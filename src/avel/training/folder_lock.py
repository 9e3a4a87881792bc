"""A run folder is one run's at a time: the same command may be started twice, say by a scheduler."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from avel.errors import UserError
from avel.files import is_at
from avel.training import ranks

LOCK = ".lock"
"""File that says which process works in a folder. A killed one leaves it, but not the lock on it."""

log = logging.getLogger(__name__)


class FolderInUse(UserError):
    """Another process works in the folder."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other runs out of a run folder (on rank 0).

    The kernel gives the folder free when this process ends in whatever way. (It is POSIX's lock: that of BSD would
    live on in the workers that read data ahead, which outlive a killed process by seconds.) Where the file system
    knows no locks, a warning says so.

    Args:
        folder: it exists, and may be renamed meanwhile, see `take_along`.

    Raises:
        FolderInUse: another process holds it.
        UserError: `LOCK` is a link to another file.
    """
    if ranks.rank() > 0:
        yield
        return
    with _acquired(folder / LOCK) as file:
        with suppress(OSError):  # on a full disk the lock holds without a name
            os.write(file.fileno(), f"{os.getpid()} {socket.gethostname()}\n".encode())
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)


def take_along(before: Path, after: Path) -> None:
    """Let whoever holds a folder hold the one that has taken its place."""
    if (before / LOCK).exists():
        (before / LOCK).rename(after / LOCK)


def _acquired(path: Path) -> TextIO:
    """Open and lock a file that then holds nothing."""
    if path.is_symlink():
        raise UserError(f"{path}: is a link, and the file that it names would be emptied: remove it")
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            with file:
                raise _in_use(path, file) from None
        except OSError as error:
            log.warning("%s cannot be locked (%s): start no second run in this folder", path, error.strerror)
        if is_at(path, file.fileno()):
            file.truncate(0)
            return file
        file.close()  # the one before has removed it meanwhile


def _in_use(path: Path, file: TextIO) -> FolderInUse:
    file.seek(0)
    pid, _, host = file.read().strip().partition(" ")
    who = f"process {pid} on {host}" if host else "another process"
    return FolderInUse(
        f"{path.parent}: {who} works in it: wait for its end or end it. Where that machine has crashed, remove {path}"
    )
