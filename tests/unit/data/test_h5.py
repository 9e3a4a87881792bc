import multiprocessing
import os
import pickle
import re
import tracemalloc
import zlib
from itertools import product

import h5py
import numpy as np
import pytest

from avel.data.h5 import H5Array
from avel.errors import UserError
from tests.unit.data.ave_files import random, write_h5

AXES = {"videos": None, "snippets": None, "channels": None}
VALUES = random(0, 5, 4, 3)


@pytest.fixture
def path(tmp_path):
    return write_h5(tmp_path / "a.h5", VALUES, key="x")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int16", "uint8", ">f8"])
def test_rows_and_parts_of_rows_are_read_as_float32(tmp_path, dtype):
    values = np.abs(10 * VALUES).astype(dtype)
    array = H5Array(write_h5(tmp_path / "a.h5", values, key="x"), "x", {"videos": 5, "snippets": None, "channels": 3})
    assert (array.shape, len(array)) == ((5, 4, 3), 5)
    for row in (3, 0, 4):
        assert array.read(row).dtype == np.float32
        np.testing.assert_array_equal(array.read(row), values[row].astype(np.float32))
        np.testing.assert_array_equal(array.read(row, slice(1, 3)), values[row, 1:3].astype(np.float32))
        array.read(row, out=(out := np.empty((4, 3), np.float32)))
        np.testing.assert_array_equal(out, values[row].astype(np.float32))
    np.testing.assert_array_equal(array.whole(), values)
    assert array.whole().dtype == values.dtype


def test_a_file_larger_than_any_memory_is_read_row_by_row(tmp_path):
    """The file claims terabytes; what was never written takes no place on disk."""
    path, shape = tmp_path / "huge.h5", (1_000_000, 10, 7, 7, 512)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("x", shape, dtype="f8")
        data[999_999] = 3.0
    tracemalloc.start()
    array = H5Array(path, "x", {"videos": None, "snippets": 10, "height": None, "width": None, "channels": None})
    part = array.read(999_999, slice(4, 5))
    of_a_part = tracemalloc.get_traced_memory()[1]
    row = array.read(999_999)
    of_a_row = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (array.shape, row.shape, part.shape) == (shape, shape[1:], (1, *shape[2:]))
    assert (row == 3).all()
    float64_row = 8 * row.size
    assert of_a_part < float64_row / 2
    assert of_a_row < 2 * float64_row


@pytest.mark.parametrize("layout", [{}, {"chunks": (1, 4, 3)}, {"compression": "gzip"}])
def test_what_is_expected_is_read_as_ever(tmp_path, layout):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=VALUES, **layout)
    array = H5Array(tmp_path / "a.h5", "x", AXES)
    for row, part in ((3, slice(None)), (0, slice(2, 3))):
        array.expect(row, part)
        np.testing.assert_array_equal(array.read(row, part), VALUES[row, part].astype(np.float32))


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="only Linux is asked")
def test_just_the_bytes_of_a_part_are_expected(path, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "posix_fadvise", lambda file, begin, size, advice: asked.append((begin, size)))
    H5Array(path, "x", AXES).expect(3, slice(1, 3))
    ((begin, size),) = asked
    stored = np.frombuffer(path.read_bytes()[begin : begin + size], VALUES.dtype)
    np.testing.assert_array_equal(stored, VALUES[3, 1:3].ravel())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_row_with_nan_or_infinity_is_named_and_the_others_are_not_looked_at(tmp_path, bad):
    values = VALUES.copy()
    values[3, 2, 1] = bad
    array = H5Array(write_h5(tmp_path / "a.h5", values, key="x"), "x", AXES)
    array.read(2)
    array.read(3, slice(0, 2))
    with pytest.raises(UserError, match=r"a.h5: 'x', row 3: holds NaN or infinite values: extract or download"):
        array.read(3)


def child(array, connection):
    connection.send(array.read(1))
    connection.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_every_process_opens_the_file_for_itself(path, tmp_path, method):
    """The file is replaced behind the parent's back: an inherited handle would still read the old one."""
    array = H5Array(path, "x", AXES)
    array.read(0)
    os.replace(write_h5(tmp_path / "b.h5", VALUES + 1, key="x"), path)
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(array, sender))
    process.start()
    sender.close()
    received = receiver.recv()
    process.join()
    np.testing.assert_array_equal(received, (VALUES[1] + 1).astype(np.float32))
    np.testing.assert_array_equal(array.read(1), VALUES[1].astype(np.float32))


def descriptors(path):
    """Of this process, those that a file is open with."""
    return [int(name) for name in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{name}") == str(path)]


def move(array):
    array.read(1)
    for descriptor in descriptors(array.path):
        os.lseek(descriptor, 777, os.SEEK_SET)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="lists open files the way of Linux")
def test_a_forked_process_does_not_share_its_place_in_the_file(path):
    array = H5Array(path, "x", AXES)
    array.read(0)
    process = multiprocessing.get_context("fork").Process(target=move, args=(array,))
    process.start()
    process.join()
    assert process.exitcode == 0
    (descriptor,) = descriptors(path)
    assert os.lseek(descriptor, 0, os.SEEK_CUR) != 777


def test_an_open_array_can_be_pickled(path):
    array = H5Array(path, "x", AXES)
    expected = array.read(2)
    copy = pickle.loads(pickle.dumps(array))
    assert copy.shape == array.shape
    np.testing.assert_array_equal(copy.read(2), expected)


def refusal(path, key="x", axes=AXES, **options):
    """The message with which a file is refused, which names file and key and is one line."""
    with pytest.raises(UserError) as caught:
        H5Array(path, key, axes, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_a_missing_file_comes_with_the_hint(tmp_path):
    assert refusal(tmp_path / "a.h5", hint="Get it there") == "no such file\nGet it there"
    (tmp_path / "folder.h5").mkdir()
    assert refusal(tmp_path / "folder.h5") == "no such file"


def test_a_missing_key_is_named_beside_those_that_are_there(path):
    message = refusal(path, "order")
    assert message == "'order': no such array, the file holds ['x']: download or write it again"


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ({"videos": 5, "channels": None}, "(5 videos, channels)"),
        ({"videos": 6, "snippets": None, "channels": None}, "(6 videos, snippets, channels)"),
        ({"videos": None, "snippets": None, "channels": 4}, "(videos, snippets, 4 channels)"),
        ({"videos": None, "snippets": None, "height": None, "channels": 3}, "(videos, snippets, height, 3 channels)"),
    ],
)
def test_a_wrong_shape_is_told_with_the_right_one(path, axes, expected):
    message = refusal(path, axes=axes)
    assert message == f"'x': must have the shape {expected}, has (5, 4, 3): download or write it again"


def test_an_empty_array_is_refused(tmp_path):
    path = write_h5(tmp_path / "a.h5", np.zeros((5, 0, 3)), key="x")
    assert "must have the shape (videos, snippets, channels), has (5, 0, 3)" in refusal(path)
    write_h5(path, h5py.Empty("f8"), key="x")
    assert "has ()" in refusal(path)


def test_what_is_not_a_number_is_refused(tmp_path, path):
    text = write_h5(tmp_path / "text.h5", np.full((5, 4, 3), b"abc"), key="x")
    assert refusal(text) == "'x': must hold numbers, holds |S3: download or write it again"
    assert "'x': must hold whole numbers, holds float64" in refusal(path, kinds="iu")


def write_group(file, other):
    file.create_group("x")["x"] = VALUES


def write_soft_link(file, other):
    file["y"] = VALUES
    file["x"] = h5py.SoftLink("/y")


def write_dangling_link(file, other):
    file["x"] = h5py.SoftLink("/nowhere")


def write_external_link(file, other):
    file["x"] = h5py.ExternalLink(other, "x")


def write_external_storage(file, other):
    file.create_dataset("x", VALUES.shape, "f8", external=str(other))


def write_virtual(file, other):
    layout = h5py.VirtualLayout(VALUES.shape, "f8")
    layout[:] = h5py.VirtualSource(other, "x", VALUES.shape)
    file.create_virtual_dataset("x", layout)


@pytest.mark.parametrize(
    "write",
    [
        write_group,
        write_soft_link,
        write_dangling_link,
        write_external_link,
        write_external_storage,
        write_virtual,
    ],
)
def test_links_and_groups_are_refused(tmp_path, path, write):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        write(file, path)
    message = refusal(tmp_path / "b.h5")
    assert message == "'x': must be an array in this file, not a group or a link: write its numbers there"


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: b"no HDF5 at all", lambda whole: whole[:-100]])
def test_a_damaged_file_is_refused_with_one_message(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    assert re.match(r"'x': cannot be read as HDF5 \(.*\): download this file again", refusal(path))


def test_a_flipped_bit_anywhere_never_ends_in_a_foreign_error(path):
    """Damage is either harmless or told as such."""
    whole = path.read_bytes()
    told = []
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            H5Array(path, "x", {"videos": 5, "snippets": 4, "channels": 3}).read(1)
        except UserError as error:
            told.append(str(error))
    assert len(told) > 10
    assert all(message.startswith(f"{path}: 'x'") for message in told)


def test_a_row_that_is_damaged_on_disk_is_named(tmp_path):
    path, values = tmp_path / "a.h5", np.arange(60, dtype="f8").reshape(5, 4, 3)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=(1, 4, 3), fletcher32=True)
    content = path.read_bytes()
    assert content.count(values[3].tobytes()) == 1
    path.write_bytes(content.replace(values[3].tobytes(), values[2].tobytes()))
    array = H5Array(path, "x", AXES)
    np.testing.assert_array_equal(array.read(2), values[2])
    with pytest.raises(UserError, match=r"a.h5: 'x', row 3: cannot be read as HDF5 \(.*download this file again"):
        array.read(3)


def test_a_file_that_vanishes_is_told_when_it_is_read(path):
    array = H5Array(path, "x", AXES)
    path.unlink()
    with pytest.raises(UserError, match=r"a.h5: 'x', row 0: cannot be read as HDF5 \(.*No such file"):
        array.read(0)


@pytest.mark.parametrize("chunks", [None, (2, 4)])
def test_what_was_never_written_is_no_zeros(tmp_path, chunks):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        array = file.create_dataset("x", (10, 4), "f4", chunks=chunks)
        if chunks:
            array[:4] = 1
    with pytest.raises(UserError, match="a.h5: 'x': was never written completely: write the file again"):
        H5Array(path, "x", {"rows": None, "columns": None})


def test_a_chunk_shorter_than_its_checksum_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        array = file.create_dataset("x", (4,), "f4", chunks=(4,), fletcher32=True)
        array.id.write_direct_chunk((0,), b"x")
    with pytest.raises(UserError, match="a.h5: 'x': cannot be read as HDF5 .a chunk is shorter than its checksum"):
        H5Array(path, "x", {"rows": None})


def test_a_small_file_does_not_fill_the_memory(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:  # what was never written takes no place on disk
        file.create_dataset("long", (2**31,), "u1")[-1] = 1
        file.create_dataset("wide", (2, 2**31), "u1")[-1, -1] = 1
    array = H5Array(tmp_path / "a.h5", "long", {"bytes": None})
    with pytest.raises(UserError, match="'long': is said to have 2,147,483,648 bytes at once"):
        array.whole()
    with pytest.raises(UserError, match="'wide': is said to have 2,147,483,648 bytes at once"):
        H5Array(tmp_path / "a.h5", "wide", {"rows": None, "bytes": None})


def write_bomb(path, rows, chunks, chunk=2**22):
    """Rows of zeros, in chunks of 4 MiB that take 4 KiB in the file."""
    zeros = zlib.compress(bytes(chunk), 9)
    with h5py.File(path, "w") as file:
        array = file.create_dataset("x", (rows, chunks * chunk), "u1", chunks=(1, chunk), compression="gzip")
        for row, start in product(range(rows), range(0, chunks * chunk, chunk)):
            array.id.write_direct_chunk((row, start), zeros)
    assert path.stat().st_size < 3 * 2**20
    return path


@pytest.mark.parametrize(("rows", "chunks"), [(1, 257), (5, 52)])
def test_what_inflates_to_more_than_memory_is_refused_before_it_is_read(tmp_path, rows, chunks):
    path, axes = write_bomb(tmp_path / "a.h5", rows, chunks), {"rows": None, "channels": None}
    size = f"{chunks * 2**22 * rows:,}"
    with pytest.raises(UserError, match=f"a.h5: 'x': is said to have {size} bytes at once, more than 1,073,741,824: "):
        H5Array(path, "x", axes).whole()


def test_chunks_that_would_fill_the_memory_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        options = {"chunks": (2**25, 4, 3), "maxshape": (None, 4, 3), "compression": "gzip"}
        file.create_dataset("x", (5, 4, 3), np.float32, **options)
    with pytest.raises(UserError, match="is said to have 1,610,612,736 bytes at once"):
        H5Array(tmp_path / "a.h5", "x", AXES)
