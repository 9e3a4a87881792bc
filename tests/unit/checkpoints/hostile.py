"""Files that would run code if they were unpickled."""

import io
import os
import pickle
import tarfile
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
