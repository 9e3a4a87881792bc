"""Opens what `torch.save` wrote, without running anything that a file names, and notices damage where it can be seen.

`torch.load(..., weights_only=True)` runs nothing either, but there are files that crash it, hang it or make it reserve
any memory; it refuses modules that were pickled as a whole; and it takes damaged numbers for good ones. Here pickles
may name what rebuilds tensors, plain containers, and classes of the modules in `INERT`, in whose place stand objects
that only hold what they are given (see `avel.torch_files.unpickling`). Archives, which PyTorch writes from 1.6 on, have
a sum beside each of their parts; in older files only damage to what surrounds the numbers can be noticed.
"""

from __future__ import annotations

import errno
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from avel.errors import UserError, readable
from avel.torch_files.unpickling import Inert, Unpickler

MAGIC = 0x1950A86A20F9469CFC6C
"""What files of PyTorch before 1.6 begin with."""

MOST = 10**6
"""Values in a file, where such as several others share count as often."""

ZIP = b"PK\x03\x04"


def read_pickled(path: Path, device: str = "cpu", *, classes: bool = True) -> Any:
    """Read what `torch.save` wrote, with an `Inert` in the place of every object of a class.

    Args:
        path: a zip archive (PyTorch from 1.6 on) or a stream of pickles (before).
        device: of the tensors: "meta" reads no numbers, and does not notice damage to them.
        classes: whether there may be objects of the classes in `INERT`; checkpoints of runs hold plain values only.

    Returns:
        Containers, plain values, tensors and `Inert`s.

    Raises:
        UserError: the file names something else, which might do harm, or is damaged or of another kind.
        OSError: there is no such file, or the disk does not give it.
    """
    with _damage_named(path):
        content = (_read_archive if is_archive(path) else _read_stream)(path, device, classes)
        _check_spread(content)
        return content


def check_sums(path: Path) -> None:
    """Compare the parts of an archive with their sums; older files have none. It is to have been read by "meta" before.

    Raises:
        UserError: they differ.
    """
    with _damage_named(path):
        if is_archive(path):
            with zipfile.ZipFile(path) as archive:
                if part := archive.testzip():
                    raise ValueError(f"Bad CRC-32 for file {part!r}")


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Turn what unpickling garbage ends in, which is any kind of error, into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = readable(f"{type(error).__name__}: {error}")
        raise UserError(f"{path}: is damaged, or no file of weights ({reason})") from None


def is_archive(path: Path) -> bool:
    """Whether a file begins like a zip archive; at its end there may be one inside of something else."""
    with path.open("rb") as file:
        return file.read(len(ZIP)) == ZIP


def tensors_of(module: Inert) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module and of those in it, under the names of its state dict."""
    found: dict[str, Tensor] = {}
    below: list[tuple[str, Any]] = [("", module)]
    known: set[int] = set()
    while below:
        prefix, part = below.pop()
        if not isinstance(part, Inert) or id(part) in known:
            continue  # no module, or one that leads back to itself
        known.add(id(part))
        passing = [*_mapping(part.state, "_non_persistent_buffers_set")]
        for group in ("_parameters", "_buffers"):
            held = {name: _held(value) for name, value in _mapping(part.state, group).items() if name not in passing}
            found |= {f"{prefix}{name}": value for name, value in held.items() if isinstance(value, Tensor)}
        below += [(f"{prefix}{name}.", child) for name, child in _mapping(part.state, "_modules").items()]
    return found


def _mapping(state: Any, name: str) -> dict[Any, Any]:
    """Return a dictionary, or a set as one, of a module's state; an empty one where there is something else."""
    value = dict.get(state, name) if isinstance(state, dict) else None
    if isinstance(value, set):
        return dict.fromkeys(value)
    return plain(value) if isinstance(value, dict) else {}


def plain(found: dict[Any, Any]) -> dict[Any, Any]:
    """Make a dictionary of one that a pickle may have given other methods."""
    return dict(dict.items(found))


def _held(value: Any) -> Any:
    """Return what a parameter of PyTorch before 0.4 holds, and anything else as it is."""
    return value.arguments[0] if isinstance(value, Inert) and value.arguments else value


def _read_archive(path: Path, device: str, classes: bool) -> Any:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise UserError(f"{path}: is a compressed archive, and none that torch.save wrote: unpack it")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("its parts lie upon each other")
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("it is an archive of something else")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("the order of its bytes is not little-endian")

        def stored(key: str, dtype: torch.dtype, count: int) -> Tensor:
            entry = archive.getinfo(f"{root}data/{key}")
            if not 0 <= count * dtype.itemsize <= entry.file_size:
                raise ValueError("it announces more numbers than it holds")
            if not count or device == "meta":
                return torch.empty(count, dtype=dtype, device=device)
            return torch.frombuffer(bytearray(archive.read(entry)), dtype=dtype)[:count]

        return Unpickler(io.BytesIO(archive.read(f"{root}data.pkl")), path, stored, classes=classes).load()


def _read_stream(path: Path, device: str, classes: bool) -> Any:
    if _is_tar(path):
        raise UserError(f"{path}: is a tar archive, as PyTorch wrote before 0.2: save it anew with a later version")
    left = path.stat().st_size

    def announced(key: str, dtype: torch.dtype, count: int) -> Tensor:
        nonlocal left
        left -= count * dtype.itemsize
        if count < 0 or left < 0:
            raise ValueError("it announces more numbers than it holds")
        return torch.empty(count, dtype=dtype, device=device)

    with path.open("rb") as file:
        if Unpickler(file, path, announced).load() != MAGIC:
            raise ValueError("it does not begin like a file of PyTorch")
        Unpickler(file, path, announced).load()  # version
        if not Unpickler(file, path, announced).load()["little_endian"]:
            raise ValueError("the order of its bytes is not little-endian")
        unpickler = Unpickler(file, path, announced, classes=classes)
        content = unpickler.load()
        for key in Unpickler(file, path, announced).load():
            _fill(unpickler.storages[key], file)
    return content


def _check_spread(content: Any) -> None:
    """Refuse lists that hold one list twice, and so on: whoever goes through such, or shows them, never ends."""
    left, count = [content], 0
    while left:
        held = left.pop()
        parts = plain(held).values() if isinstance(held, dict) else held if isinstance(held, list | tuple) else ()
        count += len(parts)
        if count > MOST:
            raise ValueError("what it holds, holds itself or the same over and over")
        left.extend(parts)


def _is_tar(path: Path) -> bool:
    """Whether this is an archive of `tar`; compressed ones are not looked into."""
    try:
        with tarfile.open(path, "r:"):
            return True
    except tarfile.TarError:
        return False


def _fill(flat: Tensor, file: IO[bytes]) -> None:
    (count,) = struct.unpack("<q", file.read(8))
    content = file.read(flat.nbytes)
    if count != len(flat) or len(content) != flat.nbytes:
        raise ValueError("it is cut off")
    if count and not flat.is_meta:
        flat.copy_(torch.frombuffer(bytearray(content), dtype=flat.dtype))
