"""Reads a pickle that may name tensors and containers, and classes of networks; no other name is looked up or imported.

Nor does a pickle get at memory, stack or time that its size does not warrant: it writes in few ways only, entries have
plain names, and tensors have no more numbers than are stored.
"""

from __future__ import annotations

import math
import pickle
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, ClassVar, TypeVar

import torch
from torch import Tensor

from avel.errors import UserError, readable

INERT = re.compile(
    r"torch\.nn\..+|torch\.backends\.cudnn\.rnn\.\w+"
    r"|(models|models_fusion|models_weakly)\.\w+"  # AV-att, DMRN, weakly supervised AV-att
    r"|(fully_model|weakly_model)\.\w+"  # PSP
    r"|model(\.\w+)+|libs(\.\w+)+"  # CMRAN; ActionFormer, UnAV, UniAV and CCNet
    r"|numpy\.(dtype|ndarray)|numpy\._?core\.multiarray\.(scalar|_reconstruct)|_codecs\.encode"  # beside the weights
    r"|torch\.(device|(b?float|u?int)\d+)"  # in the states of schedules and optimizers
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

OPCODES = (
    *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.INT, pickle.LONG1, pickle.BINFLOAT),
    *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINSTRING, pickle.SHORT_BINSTRING),
    *(pickle.BINBYTES, pickle.SHORT_BINBYTES),
    *(pickle.EMPTY_LIST, pickle.EMPTY_DICT, pickle.EMPTY_SET, pickle.EMPTY_TUPLE),
    *(pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.APPEND, pickle.APPENDS),
    *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE, pickle.NEWOBJ, pickle.BINPERSID),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET, pickle.MEMOIZE),
)
"""What `torch.save` writes from protocol 2 on, beside what `Unpickler` reads in a way of its own; the others reserve
memory, or name things in further ways."""

MOST_DIMENSIONS = 64
"""Of a tensor, as in PyTorch."""

NewStorage = Callable[[str, torch.dtype, int], Tensor]
Taken = TypeVar("Taken", list[Any], dict[Any, Any])


class Inert:
    """Stands for an object of a class that is known by name only; keeps what it is given."""

    arguments: tuple[object, ...]
    state: Any

    def __new__(cls, *arguments: object) -> Inert:
        """Make one, whatever the class took to do so."""
        held = super().__new__(cls)
        held.arguments, held.state = arguments, {}
        return held


class Unpickler(pickle._Unpickler):  # the one in C reserves as much memory as a pickle numbers its objects
    """Reads one pickle.

    Args:
        file: where it begins.
        path: the file, for messages.
        new_storage: makes the flat tensor (N,) of a storage from its key, its type and N.
        classes: whether an object may be of a class in `INERT`.
    """

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: IO[bytes], path: Path, new_storage: NewStorage, *, classes: bool = True) -> None:
        super().__init__(file, encoding="latin1")  # of strings that Python 2 wrote
        self.path, self.new_storage, self.classes = path, new_storage, classes
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a global that the pickle names."""
        if module in ("torch", "torch.cuda") and name in DTYPES:
            return DTYPES[name]
        if found := ALLOWED.get(f"{module}.{name}"):
            return found
        if self.classes and INERT.fullmatch(f"{module}.{name}"):
            return type(name, (Inert,), {})
        raise UserError(
            f"{self.path}: names {readable(f'{module}.{name}')}, which is no part of a network and could run code: it"
            " is refused. If that is a class of the released code, save the module's state_dict() there instead"
        )

    def persistent_load(self, pid: Any) -> Any:
        """Return a storage as a flat tensor, or a module's class, whose source code is left alone."""
        if pid[0] == "module":
            return pid[1]
        kind, dtype, key, _, count, *view = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(key, str):
            raise ValueError("it holds what is no storage of numbers")
        if key not in self.storages:
            self.storages[key] = self.new_storage(key, dtype, int(count))
        flat = self.storages[key]
        if view and view[0] is not None:
            _, offset, size = view[0]
            return flat[offset : offset + size]
        return flat

    def load_build(self) -> None:
        """Let an object keep its state; attributes of dictionaries, such as versions of modules, are left out."""
        state = self.stack.pop()
        held = self.stack[-1]
        if isinstance(held, Inert):
            held.state = state
        elif not isinstance(held, OrderedDict):
            raise ValueError(f"it changes a {type(held).__name__}")

    def load_setitem(self) -> None:
        """Put an entry into a dictionary."""
        value, key = self.stack.pop(), self.stack.pop()
        _entries(self.stack[-1])[_name(key)] = value

    def load_setitems(self) -> None:
        """Put entries into a dictionary."""
        items = self.pop_mark()
        _entries(self.stack[-1]).update(zip(map(_name, items[::2]), items[1::2], strict=True))

    def load_additems(self) -> None:
        """Put members into a set."""
        members = self.pop_mark()
        if not isinstance(self.stack[-1], set):
            raise ValueError(f"it adds to a {type(self.stack[-1]).__name__}")
        self.stack[-1].update(map(_name, members))

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        code[0]: pickle._Unpickler.dispatch[code[0]] for code in OPCODES
    } | {
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.ADDITEMS[0]: load_additems,
    }


def _entries(held: Any) -> dict[Any, Any]:
    if not isinstance(held, dict):
        raise ValueError(f"it changes a {type(held).__name__}")
    return held


def _name(key: Any) -> Any:
    """Return the key of an entry; tuples in tuples would take for ever to hash, or all of the stack."""
    if not isinstance(key, str | int | float | bytes | Inert | None):
        raise ValueError(f"it calls an entry by a {type(key).__name__}")
    if isinstance(key, int) and key.bit_length() > 64:  # of these, any many have one hash
        raise ValueError("it calls an entry by a number of many digits")
    return key


def _taken(members: object, kind: type[Taken]) -> Taken:
    """Return the members of a container that is to be, once: taken again and again, they would fill the memory."""
    if not isinstance(members, kind):
        raise ValueError(f"it makes a container of a {type(members).__name__}")
    taken = members.copy()
    members.clear()
    return taken


def _tensor(flat: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    if len(size) > MOST_DIMENSIONS or math.prod(size) > flat.numel():
        raise ValueError("it announces more numbers than it holds")
    return flat.as_strided(size, stride, offset)  # refuses what reaches beyond the storage


def _parameter(data: Tensor, *_: object) -> Tensor:
    return data.detach()


def _size(numbers: tuple[int, ...]) -> tuple[int, ...]:
    return numbers


def _set(*members: object) -> set[Any]:
    return {_name(member) for part in members for member in _taken(part, list)}


def _dictionary(*pairs: object) -> OrderedDict[Any, Any]:
    return OrderedDict((_name(key), value) for part in pairs for key, value in _taken(part, list))


def _counter(*counts: object) -> Counter[Any]:
    return Counter(_taken(counts[0], dict) if counts else {})  # of the steps of a schedule


ALLOWED: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.Size": _size,
    "collections.Counter": _counter,
    "collections.OrderedDict": _dictionary,
    "__builtin__.set": _set,
    "builtins.set": _set,
}
