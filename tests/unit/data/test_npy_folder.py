import io

import numpy as np
import pytest

from avel.data.npy_folder import read_npy, read_npy_shape
from avel.errors import UserError


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def ones(length, width, dtype=np.float32):
    return np.ones((length, width), dtype)


BAD_FILES = {
    "no file": (None, "cannot be read"),
    "empty file": (b"", "cannot be read"),
    "other content": (b"<html>404</html>", "cannot be read"),
    "pickle": (npy(np.array([{}], dtype=object), allow_pickle=True), "cannot be read|must be a float matrix"),
    "damaged header": (npy(ones(3, 2)).replace(b"'shape': (3, 2)", b"'shape': (3(2)"), "cannot be read"),
    "one dimension": (npy(np.ones(5)), "must be a float matrix"),
    "three dimensions": (npy(np.ones((1, 5, 2))), "must be a float matrix"),
    "integers": (npy(np.ones((5, 2), dtype=np.int64)), "must be a float matrix"),
    "no snippets": (npy(ones(0, 4)), "is empty"),
    "no channels": (npy(ones(4, 0)), "is empty"),
    "cut off": (npy(ones(5, 2))[:-1], "cannot be read|is cut off, 1 bytes are missing"),
}


@pytest.mark.parametrize("read", [read_npy, read_npy_shape])
@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_named(tmp_path, read, content, message):
    path = tmp_path / "v1_one_peace_audio.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_no_numbers_are_refused(tmp_path, value):
    array = ones(4, 3, np.float64)
    array[2, 1] = value
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=r"a\.npy: holds NaN or infinite values"):
        read_npy(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_float_is_read_as_float32(tmp_path, dtype, order):
    array = np.arange(6).reshape(3, 2).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    read = read_npy(tmp_path / "a.npy")
    assert read.dtype == np.float32
    assert read.tolist() == array.tolist()
    assert read_npy_shape(tmp_path / "a.npy") == (3, 2)
