"""Files that would run code if they were unpickled."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Call:
    """Unpickles by calling a function."""

    function: Any
    arguments: tuple

    def __reduce_ex__(self, protocol):
        return self.function, self.arguments


class StateOfModule(torch.nn.Module):
    """A known class with a call inside its state."""

    def __init__(self, call):
        super().__init__()
        self.inner = torch.nn.Linear(2, 2)
        self.inner.hidden = call


def calls(trace):
    """Ways to leave a file at `trace`: name of what is forbidden -> an object that does so when it is unpickled."""
    command, code = f"touch {trace}", f"open({str(trace)!r}, 'w').close()"
    again = io.BytesIO()
    torch.save(Call(os.system, (command,)), again)
    return {
        "posix.system": Call(os.system, (command,)),
        "builtins.eval": Call(eval, (code,)),
        "builtins.exec": Call(exec, (code,)),
        "builtins.__import__": Call(__import__, ("os",)),
        "torch.storage._load_from_bytes": Call(torch.storage._load_from_bytes, (again.getvalue(),)),
        "torch.serialization.load": Call(torch.load, (str(trace),)),
    }


def places(call):
    """Where in a file an object can hide."""
    tensors = OrderedDict(weight=torch.zeros(2))
    tensors.hidden = call  # in the state of a dictionary
    return {
        "alone": call,
        "in a list": {"state_dict": {"weight": torch.zeros(2)}, "optimizer": [call]},
        "as a key": {"state_dict": {"weight": torch.zeros(2)}, "scheduler": {(call,): 1}},
        "state of a dictionary": tensors,
        "state of a module": StateOfModule(call),
    }


def write(path, content, layout):
    """Write a file in one of the layouts that `torch.save` has had."""
    if layout == "archive":
        torch.save(content, path)
    elif layout == "stream":
        torch.save(content, path, _use_new_zipfile_serialization=False)
    elif layout == "first pickle":
        path.write_bytes(pickle.dumps(content, 2))
    elif layout == "protocol 5":
        torch.save(content, path, pickle_protocol=5)
    else:
        with tarfile.open(path, "w") as archive:
            for name in ("storages", "tensors", "pickle"):
                member = pickle.dumps(content, 2)
                entry = tarfile.TarInfo(name)
                entry.size = len(member)
                archive.addfile(entry, io.BytesIO(member))


def archive(pickled):
    """An archive as PyTorch writes it, of one pickle of protocol 2."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as parts:
        parts.writestr("archive/data.pkl", b"\x80\x02" + pickled + b".")
    return content.getvalue()


def of_run(pickled):
    """The same as what a checkpoint of a run holds."""
    name = b"X\x10\x00\x00\x00hyper_parameters"
    return archive(b"}" + name + pickled + b"s")


def bombs(depth=10**6):
    """Small files that take all memory, time or stack of a reader that believes them: what it would be -> the file."""
    deep_list, deep_tuple = b"]" * depth + b"a" * (depth - 1), b")" + b"\x85" * depth
    doubled = b")q\x000" + b"h\x00h\x00\x86q\x000" * 60 + b"h\x00"
    return {
        "a list in lists": archive(deep_list),
        "a tuple in tuples": archive(deep_tuple),
        "a dictionary in dictionaries": archive(b"}X\x01\x00\x00\x00a" * depth + b"N" + b"s" * depth),
        "arguments in lists": of_run(deep_list),
        "arguments in tuples": of_run(deep_tuple),
        "arguments that double": of_run(b"}X\x0b\x00\x00\x00num_classes" + doubled + b"s"),
        "a tuple in tuples as a name": archive(b"}" + deep_tuple + b"Ns"),
        "a memo of billions": archive(b"Nr\xff\xff\xff\xff"),
        "an array of gigabytes": archive(b"\x96" + struct.pack("<Q", 2**33)),
        "a text of gigabytes": archive(b"\x8d" + struct.pack("<Q", 2**40)),
        "a frame of gigabytes": archive(b"\x95" + struct.pack("<Q", 2**40) + b"N"),
        "a number of many digits": archive(b"\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6),
        "more than the stack": archive(b"(" * depth),
    }
