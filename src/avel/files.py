"""Writing files that appear whole or not at all; reading them where they are files."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from avel.errors import UserError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The disk, a person's share of it, or a single file can take no more."""

REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Nothing may or can be written under this name."""


class WriteError(UserError, OSError):
    """A file cannot be written: there is no room for it, or it may not be where it should."""


@contextmanager
def whole_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path` that becomes `path` when the block ends well; folders are created.

    The temporary file is there, empty and locked (`flock`), to be written in place. Processes that write the same file
    at the same time get different ones, and the last one stays; what a killed one left, the next one overwrites. (Where
    the file system knows no locks, they get the same one: names of their own would pile up with every killed process.)

    Args:
        path: the file.
        durable: it is on the disk when the block has ended, come what may to the machine. Takes milliseconds.

    Raises:
        WriteError: there is no room for the file, or it may not be there; what was there before stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, descriptor = _reserve(path)
    except OSError as error:
        raise _write_error(path, error) from error
    try:
        yield temporary
        if durable:
            os.fsync(descriptor)
        os.replace(temporary, path)
        if durable:
            _sync_folder(path.parent)
    except BaseException as error:
        if not is_at(temporary, descriptor):  # it is `path` already, and whole
            raise
        cause = _cause(error, {str(temporary), str(path)}, descriptor)
        os.ftruncate(descriptor, 0)  # it may be what fills the disk, and a library may hold it open still
        temporary.unlink(missing_ok=True)
        if cause is None:
            raise
        raise _write_error(path, cause) from error
    finally:
        os.close(descriptor)


def check_links(paths: Iterable[Path]) -> None:
    """Raise a UserError where a folder is a link to elsewhere: what is written into it would lie there."""
    for path in paths:
        if path.is_symlink() and path.is_dir() and not path.resolve().is_relative_to(path.parent.resolve()):
            raise UserError(f"{path}: is a link to another place, where files would be written: remove it")


def tells_apart(folder: Path, one: str, other: str) -> bool:
    """Whether two names are those of two files in a folder, which is created; not all disks know capitals."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = f".{secrets.token_hex(8)}"
    probe = folder / f"{mark}{one}"
    probe.touch()
    try:
        return not (folder / f"{mark}{other}").exists()
    finally:
        probe.unlink()


def check_space(path: Path, needed: int) -> None:
    """Raise a WriteError unless the disk on which `path` is to be has room for so many bytes."""
    if (free := shutil.disk_usage(path.parent).free) < needed:
        raise WriteError(f"{path}: needs {needed / 2**30:.1f} GiB, the disk has {free / 2**30:.1f}: make room")


def _reserve(path: Path) -> tuple[Path, int]:
    """Create the temporary file and lock it, as long as the descriptor is open; another where somebody writes it."""
    usual = path.with_name(f".{path.name}.part")
    with suppress(OSError):
        # a link there, in a folder of others, must not be written through
        descriptor = os.open(usual, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        if os.fstat(descriptor).st_nlink == 1 and _lock(descriptor, usual):
            os.ftruncate(descriptor, 0)
            return usual, descriptor
        os.close(descriptor)
    other = path.with_name(f".{secrets.token_hex(8)}.part")
    return other, os.open(other, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def _lock(descriptor: int, path: Path) -> bool:
    """Whether the open file is ours alone and still the one at `path`; a dead process has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return is_at(path, descriptor)


def is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file is, still, the one of this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some network file systems cannot; who may write in a folder need not read it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _cause(error: BaseException, names: set[str], descriptor: int) -> OSError | None:
    """Return why the file could not be written, None if something else failed.

    Libraries answer a full disk with errors that do not say so: whether it is shows when we try to write more.
    """
    if not isinstance(error, OSError | RuntimeError) or isinstance(error, WriteError):
        return None  # or of another file, that has its message
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return error
    if isinstance(error, OSError) and error.errno in REFUSED and str(error.filename) in names:
        return error
    try:
        for _ in range(2):  # of the first, a part may fit
            os.pwrite(descriptor, bytes(2**16), os.fstat(descriptor).st_size)
    except OSError as full:
        return full if full.errno in NO_ROOM else None
    return None


def _write_error(path: Path, cause: OSError) -> WriteError:
    reason = f"{path}: cannot be written: {os.strerror(cause.errno or errno.EIO)}"
    if cause.errno not in NO_ROOM:
        return WriteError(f"{reason} ({cause.filename or path.parent}): choose another place, or change who may write")
    free = f"{_mebibytes(shutil.disk_usage(path.parent).free)} are free"
    before = f", the file that is there has {_mebibytes(path.stat().st_size)}" if path.is_file() else ""
    return WriteError(f"{reason} ({free}{before}): make room and try again")


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; what may never answer or never end, such as a pipe or a device, is refused.

    Raises:
        OSError: there is no such file, or it is no regular one.
    """
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
