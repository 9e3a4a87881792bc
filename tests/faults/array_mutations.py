"""Makes bad files of arrays out of good ones, as `tests.faults.mutations` does for text."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

from tests.faults.mutations import mutate_bytes

Array = np.ndarray[Any, Any]

SHAPES = ("(0, 3)", "(-1, 3)", "(10**9, 10**9)", f"({10**30}, 3)", "(3,)", "()", "(1, 2, 3)", "(2.5, 3)", "(True, 3)")
DTYPES = ("|O", ">f4", "<f2", "<f8", "<c8", "<i4", "|b1", "|S5", "<U3", "<M8[s]", "|V7", "x", "<f16", "[('a', '<f4')]")


def mutate_npy(data: bytes, random: Random) -> bytes:
    """Damage a `.npy` file: its bytes, what its header says, or what it holds."""
    return random.choice((_lie, _lie, _hold_others, mutate_bytes))(data, random)


def mutate_h5(path: Path, random: Random) -> None:
    """Damage an HDF5 file: its bytes, or one of its arrays."""
    if random.random() < 0.3:
        path.write_bytes(mutate_bytes(path.read_bytes(), random))
        return
    with h5py.File(path, "r+") as file:
        key = random.choice(sorted(file))
        array = file[key][()]
        del file[key]
        random.choice(_H5_EDITS)(file, key, array, random)


def _lie(data: bytes, random: Random) -> bytes:
    """Write another header before the numbers."""
    shape, order = random.choice((*SHAPES, "(4, 3)")), random.choice(("True", "False", "2", "None"))
    dtype = random.choice(("<f4", *DTYPES))
    text = f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}"
    text = random.choice((text, text, text[:-3], "[" * 3000, text.replace("'shape'", "'size'"), "__import__('os')"))
    header = text.encode().ljust(random.choice((53, 117, 20_000))) + b"\n"
    version = random.choice((b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\x09\x09"))
    length = len(header).to_bytes(2 if version == b"\1\0" else 4, "little")
    return b"\x93NUMPY" + version + length + header + data[128:]


def _hold_others(data: bytes, random: Random) -> bytes:
    array = np.load(io.BytesIO(data))
    others: tuple[Array, ...] = (
        np.asfortranarray(array),
        array.astype(">f4"),
        array.astype("f2"),
        array.astype("f8") * 1e300,
        array.astype("i8"),
        np.full_like(array, np.nan),
        array[:0],
        array[:, :0],
        array[0],
        array[None],
        np.array([{"a": 1}], dtype=object),
        np.array(["text"]),
        np.zeros(3, dtype=[("a", "f4")]),
        np.float32(1),
    )
    file = io.BytesIO()
    if random.random() < 0.1:
        np.savez(file, a=array)
    else:
        np.save(file, random.choice(others))
    return file.getvalue()


def _store(change: Callable[[Array], Any]) -> Callable[[h5py.File, str, Array, Random], None]:
    def edit(file: h5py.File, key: str, array: Array, random: Random) -> None:
        file[key] = change(array)

    return edit


def _absurd(file: h5py.File, key: str, array: Array, random: Random) -> None:
    """Say that there is far more than is stored."""
    long = random.choice((10**6, 10**9, 10**15)), *array.shape[1:]
    shape = random.choice((long, (*array.shape[:-1], 10**12), (2**62,)))
    file.create_dataset(key, shape, array.dtype, chunks=tuple(min(size, 4) for size in shape))


def _damage_chunks(file: h5py.File, key: str, array: Array, random: Random) -> None:
    chunks = file.create_dataset(key, data=array, chunks=array.shape, compression="gzip", fletcher32=True)
    chunks.id.write_direct_chunk((0,) * array.ndim, random.randbytes(random.choice((1, 50))))


def _link_out(file: h5py.File, key: str, array: Array, random: Random) -> None:
    file[key] = random.choice(
        (
            h5py.ExternalLink("other.h5", "/x"),
            h5py.ExternalLink("/etc/passwd", "/x"),
            h5py.SoftLink("/nowhere"),
            h5py.SoftLink(f"/{key}"),
            h5py.SoftLink("/"),
        )
    )


def _store_outside(file: h5py.File, key: str, array: Array, random: Random) -> None:
    if random.random() < 0.5:
        file.create_dataset(key, array.shape, array.dtype, external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])
    else:
        layout = h5py.VirtualLayout(array.shape, array.dtype)
        layout[:] = h5py.VirtualSource("other.h5", key, array.shape)
        file.create_virtual_dataset(key, layout)


def _spoil(array: Array) -> Array:
    spoilt = array.astype("f8") if array.dtype.kind == "f" else array.astype("i8")
    spoilt.flat[spoilt.size // 2] = np.nan if array.dtype.kind == "f" else -(2**40)
    return spoilt


_H5_EDITS: tuple[Callable[[h5py.File, str, Array, Random], None], ...] = (
    lambda file, key, array, random: None,
    lambda file, key, array, random: file.create_group(key),
    lambda file, key, array, random: file.create_group(f"{key}/{key}"),
    lambda file, key, array, random: file.create_dataset(f"{key} ", data=array),
    _absurd,
    _damage_chunks,
    _link_out,
    _store_outside,
    _store(_spoil),
    _store(lambda array: array.reshape(-1)),
    _store(lambda array: array[None]),
    _store(lambda array: array[:0]),
    _store(lambda array: array[:-1]),
    _store(lambda array: array[::-1]),
    _store(lambda array: np.concatenate([array, array])),
    _store(lambda array: array.flat[0]),
    _store(lambda array: h5py.Empty(array.dtype)),
    _store(lambda array: -array.astype("i8") - 1),
    _store(lambda array: array.astype("f8") * 1e300),
    _store(lambda array: array.astype(">f2")),
    _store(lambda array: array.astype("c16")),
    _store(lambda array: array.astype(bool)),
    _store(lambda array: array.astype("S3")),
    _store(lambda array: [str(value) for value in array.flat[:5]]),
    _store(lambda array: np.zeros(array.shape, dtype=[("a", "f4"), ("b", "S2")])),
    _store(lambda array: np.zeros(array.shape, dtype="V3")),
)
