"""Modules that were pickled as a whole with `torch.save`: their tensors, without running anything that a file names.

`torch.load(..., weights_only=True)` refuses such files, because they name classes of the code that wrote them. Here
pickles may name what rebuilds tensors, plain containers, and classes of the modules in `INERT`, in whose place stand
objects that only hold what they are given. No other name is looked up, and no module is ever imported.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from avel.errors import UserError

INERT = re.compile(
    r"torch\.nn\..+|torch\.backends\.cudnn\.rnn\.\w+"
    r"|(models|models_fusion|models_weakly)\.\w+"  # AV-att, DMRN, weakly supervised AV-att
    r"|(fully_model|weakly_model)\.\w+"  # PSP
    r"|model(\.\w+)+|libs(\.\w+)+"  # CMRAN; ActionFormer, UnAV, UniAV and CCNet
    r"|numpy\.(dtype|ndarray)|numpy\._?core\.multiarray\.(scalar|_reconstruct)|_codecs\.encode"  # beside the weights
)
"""Names of classes that are known by name only: of the released codes, of what they are made of, of NumPy's numbers."""

DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}
MAGIC = 0x1950A86A20F9469CFC6C
"""What files of PyTorch before 1.6 begin with."""

ZIP = b"PK\x03\x04"

NewStorage = Callable[[str, torch.dtype, int], Tensor]


class Inert:
    """Stands for an object of a class that is known by name only; keeps what it is given."""

    arguments: tuple[object, ...]
    state: Any

    def __new__(cls, *arguments: object) -> Inert:
        """Make one, whatever the class took to do so."""
        held = super().__new__(cls)
        held.arguments, held.state = arguments, {}
        return held

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_pickled(path: Path) -> Any:
    """Read what `torch.save` wrote, with an `Inert` in the place of every object of a class.

    Args:
        path: a zip archive (PyTorch from 1.6 on) or a stream of pickles (before).

    Returns:
        Containers, plain values, tensors on the CPU and `Inert`s.

    Raises:
        UserError: the file names something else, which might do harm, or is damaged or of another kind.
    """
    try:
        return _read_archive(path) if is_archive(path) else _read_stream(path)
    except UserError:
        raise
    except Exception as error:  # unpickling answers garbage with any kind of error
        raise UserError(f"{path}: is damaged, or no file of weights ({type(error).__name__}: {error})") from None


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


class _Unpickler(pickle._Unpickler):  # the one in C reserves as much memory as a pickle numbers its objects
    def __init__(self, file: IO[bytes], path: Path, new_storage: NewStorage) -> None:
        super().__init__(file, encoding="latin1")  # of strings that Python 2 wrote
        self.path, self.new_storage = path, new_storage
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a global that the pickle names; new every time, so that a pickle changes nothing."""
        if module in ("torch", "torch.cuda") and name in DTYPES:
            return DTYPES[name]
        if found := ALLOWED.get(f"{module}.{name}"):
            return found if isinstance(found, type) else lambda *arguments: found(*arguments)
        if INERT.fullmatch(f"{module}.{name}"):
            return type(name, (Inert,), {})
        raise UserError(
            f"{self.path}: names {module}.{name}, which is no part of a network and could run code: it is refused."
            " If that is a class of the released code, save the module's state_dict() there instead"
        )

    def persistent_load(self, pid: Any) -> Any:
        """Return a storage as a flat tensor, or a module's class, whose source code is left alone."""
        if pid[0] == "module":
            return pid[1]
        kind, dtype, key, _, count, *view = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise ValueError(f"unknown object {kind}")
        if key not in self.storages:
            self.storages[key] = self.new_storage(str(key), dtype, int(count))
        flat = self.storages[key]
        if view and view[0] is not None:
            _, offset, size = view[0]
            return flat[offset : offset + size]
        return flat


def _tensor(flat: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    return flat.as_strided(tuple(size), tuple(stride), offset)  # refuses what reaches beyond the storage


def _parameter(data: Tensor, *_: object) -> Tensor:
    return data.detach()


ALLOWED: dict[str, Any] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": tuple,
    "collections.OrderedDict": OrderedDict,
    "__builtin__.set": set,
    "builtins.set": set,
}


def _read_archive(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise UserError(f"{path}: is a compressed archive, and none that torch.save wrote: unpack it")
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("it is an archive of something else")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("the order of its bytes is not little-endian")

        def stored(key: str, dtype: torch.dtype, count: int) -> Tensor:
            content = archive.read(f"{root}data/{key}")
            return torch.frombuffer(bytearray(content), dtype=dtype)[:count] if count else torch.empty(0, dtype=dtype)

        return _Unpickler(io.BytesIO(archive.read(f"{root}data.pkl")), path, stored).load()


def _read_stream(path: Path) -> Any:
    if tarfile.is_tarfile(path):
        raise UserError(f"{path}: is a tar archive, as PyTorch wrote before 0.2: save it anew with a later version")
    left = path.stat().st_size

    def announced(key: str, dtype: torch.dtype, count: int) -> Tensor:
        nonlocal left
        left -= count * dtype.itemsize
        if count < 0 or left < 0:
            raise ValueError("it announces more numbers than it holds")
        return torch.empty(count, dtype=dtype)

    with path.open("rb") as file:
        if _Unpickler(file, path, announced).load() != MAGIC:
            raise ValueError("it does not begin like a file of PyTorch")
        _Unpickler(file, path, announced).load()  # version
        if not _Unpickler(file, path, announced).load()["little_endian"]:
            raise ValueError("the order of its bytes is not little-endian")
        unpickler = _Unpickler(file, path, announced)
        content = unpickler.load()
        for key in _Unpickler(file, path, announced).load():
            _fill(unpickler.storages[key], file)
    return content


def _fill(flat: Tensor, file: IO[bytes]) -> None:
    (count,) = struct.unpack("<q", file.read(8))
    content = file.read(flat.nbytes)
    if count != len(flat) or len(content) != flat.nbytes:
        raise ValueError("it is cut off")
    if count:
        flat.copy_(torch.frombuffer(bytearray(content), dtype=flat.dtype))
