import io
import pickle
import struct
from collections import Counter
from pathlib import Path

import pytest
import torch

from avel.torch_files.unpickling import Unpickler


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


def test_the_steps_of_a_schedule_come_as_they_were():
    milestones = Counter({10: 1, 20: 2})
    content = pickle.dumps(milestones, protocol=2)
    assert unpickled(content.removeprefix(b"\x80\x02").removesuffix(b".")) == milestones
    assert unpickled(pickle.dumps(Counter(), protocol=2)[2:-1]) == Counter()


@pytest.mark.parametrize("name", ["__builtin__\nset", "collections\nOrderedDict", "collections\nCounter"])
def test_containers_are_made_of_lists_and_dictionaries_only(name):
    """The signs of a text, of which a few bytes make another container each."""
    with pytest.raises(ValueError, match="it makes a container of a str"):
        unpickled(b"c" + name.encode() + b"\n" + word("text") + b"\x85R")


@pytest.mark.parametrize(
    ("members", "name"),
    [
        (b"](K\x00K\x01e", b"__builtin__\nset"),
        (b"](K\x00N\x86K\x01N\x86e", b"collections\nOrderedDict"),
        (b"}(K\x00NK\x01Nu", b"collections\nCounter"),
    ],
)
def test_members_make_one_container(members, name):
    """Twice the same would cost the file a few bytes, and the reader a copy."""
    twice = b"q\x000c" + name + b"\nq\x010" + b"h\x01h\x00\x85R" * 2 + b"\x86"
    one, other = unpickled(members + twice)
    assert (len(one), len(other)) == (2, 0)


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
        (REBUILD + b"(" + FLAT + b"K\x00(" + b"K\x01" * 65 + b"t(" + b"K\x01" * 65 + b"ttR", "more numbers than"),
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


def test_names_of_entries_are_no_numbers_of_many_digits():
    """Any many of them have one hash, and would be compared one by one."""
    with pytest.raises(ValueError, match="a number of many digits"):
        unpickled(b"}\x8a\x0c" + b"\x01" * 12 + b"Ns")


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
