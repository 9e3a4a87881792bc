import io
import struct
from pathlib import Path

import pytest
import torch

from avel.checkpoints.unpickling import Unpickler


def word(text):
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def unpickled(body):
    """Read a pickle of protocol 2, whose storages all hold 0, 1, 2, 3."""
    new_storage = lambda key, dtype, count: torch.arange(4.0)  # noqa: E731
    return Unpickler(io.BytesIO(b"\x80\x02" + body + b"."), Path("weights.pt"), new_storage).load()


FLAT = b"(" + word("storage") + b"ctorch\nFloatStorage\n" + word("0") + word("cpu") + b"K\x04tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
WHOLE = REBUILD + b"(" + FLAT + b"K\x00(K\x04t(K\x01ttR"
NESTED = b")" + b"\x85" * 20  # tuples in tuples


def test_tensors_come_whole():
    assert unpickled(WHOLE).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (WHOLE + b"(" + FLAT + b"K\x00(J\xff\xff\xff\x7ft(K\x01ttb", "it changes a Tensor"),
        (WHOLE + b"K\x00K\x01s", "it changes a Tensor"),
        (WHOLE + b"(K\x00K\x01u", "it changes a Tensor"),
        (WHOLE + b"(K\x01\x90", "it adds to a Tensor"),
        (REBUILD + b"}b", "it changes a function"),
        (REBUILD + b"(" + FLAT + b"K\x00(J\xff\xff\xff\x7ft(K\x00ttR", "more numbers than it holds"),
        (REBUILD + b"(" + FLAT + b"K\x02(K\x04t(K\x01ttR", "out of bounds"),
        (FLAT.replace(b"storage", b"strange"), "no storage of numbers"),
        (FLAT.replace(word("0"), b"K\x00"), "no storage of numbers"),
    ],
)
def test_tensors_are_neither_changed_nor_larger_than_what_is_stored(body, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        unpickled(body)


@pytest.mark.parametrize(
    "body",
    [
        b"}" + NESTED + b"Ns",
        b"}(" + NESTED + b"Nu",
        b"\x8f(" + NESTED + b"\x90",
        b"c__builtin__\nset\n]" + NESTED + b"a\x85R",
        b"ccollections\nOrderedDict\n]" + NESTED + b"N\x86a\x85R",
    ],
)
def test_names_of_entries_are_plain(body):
    """Tuples in tuples would take the stack to hash, and the process with it."""
    with pytest.raises(ValueError, match="calls an entry by a tuple"):
        unpickled(body)


@pytest.mark.parametrize(
    "body",
    [
        b"\x96" + struct.pack("<Q", 2**33),  # a bytearray of this size
        b"\x8b" + struct.pack("<i", 5000) + b"\x7f" * 5000,  # a number of 12,000 digits
        b"\x82\x01",  # an extension
        b"(ios\nsystem\n",  # an instance
        b"(cos\nsystem\no",
        b"P0\n",
        b"\x97",
    ],
)
def test_what_torch_does_not_write_is_not_read(body):
    with pytest.raises(Exception, match=r".*") as error:
        unpickled(body)
    assert isinstance(error.value, KeyError) or "names os.system" in str(error.value)
