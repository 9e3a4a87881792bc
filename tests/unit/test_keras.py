import h5py
import numpy as np
import pytest
import torch

from avel.errors import UserError
from avel.keras import dense_layout, read_keras_weights
from tests.unit.keras_files import write_keras


def test_weights_come_under_the_names_of_keras(tmp_path):
    written = write_keras(tmp_path / "weights.h5", {"dense_2": (3, 2), "dense_10": (2, 2)})
    read = read_keras_weights(tmp_path / "weights.h5")
    assert list(read) == ["dense_2/kernel", "dense_2/bias", "dense_10/kernel", "dense_10/bias"]
    assert all(torch.equal(read[name], tensor) for name, tensor in written.items())


def test_names_may_be_text(tmp_path):
    """Newer h5py writes strings where older ones wrote bytes."""
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["layer_names"] = ["dense"]
        file.create_group("dense").attrs["weight_names"] = ["dense/bias:0"]
        file["dense/dense/bias:0"] = np.arange(3.0)
    assert read_keras_weights(tmp_path / "weights.h5")["dense/bias"].tolist() == [0, 1, 2]


def test_kernels_are_transposed():
    weights = {"dense/kernel": torch.arange(6.0).view(2, 3), "dense/bias": torch.arange(3.0)}
    turned = dense_layout(weights)
    x = torch.rand(4, 2)
    ours = torch.nn.functional.linear(x, turned["dense/kernel"], turned["dense/bias"])
    torch.testing.assert_close(ours, x @ weights["dense/kernel"] + weights["dense/bias"])


def without_weight(file):
    del file["dense/dense/bias:0"]


def group_for_weight(file):
    del file["dense/dense/bias:0"]
    file.create_group("dense/dense/bias:0")


def without_layer(file):
    del file["dense"]


def array_for_layer(file):
    del file["dense"]
    file["dense"] = [1.0]
    file["dense"].attrs["weight_names"] = [b"bias:0"]


def numbers_for_names(file):
    file.attrs["layer_names"] = np.arange(2)


@pytest.mark.parametrize(
    "damage", [without_weight, group_for_weight, without_layer, array_for_layer, numbers_for_names, h5py.Group.clear]
)
def test_damaged_files_get_one_message(tmp_path, damage):
    path = tmp_path / "weights.h5"
    write_keras(path, {"dense": (3, 2)})
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(UserError, match="weights.h5 cannot be read as a weight file of Keras"):
        read_keras_weights(path)


@pytest.mark.parametrize("text", [None, "not HDF5"])
def test_other_files_get_one_message(tmp_path, text):
    path = tmp_path / "weights.h5"
    if text:
        path.write_text(text)
    with pytest.raises(UserError, match="weights.h5 cannot be read as a weight file of Keras"):
        read_keras_weights(path)


def soft_link(file):
    del file["dense/dense/bias:0"]
    file["dense/dense/bias:0"] = h5py.SoftLink("/dense/dense/kernel:0")


def link_to_another_file(file):
    del file["dense"]
    file["dense"] = h5py.ExternalLink("other.h5", "/dense")


def numbers_in_another_file(file):
    del file["dense/dense/bias:0"]
    outside = [("/etc/hostname", 0, 8)]
    file["dense/dense"].create_dataset("bias:0", (2,), dtype="f4", external=outside)


def numbers_of_another_file(file):
    del file["dense/dense/bias:0"]
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (2,))
    file["dense/dense"].create_virtual_dataset("bias:0", layout)


def more_than_the_file_holds(file):
    del file["dense/dense/bias:0"]
    file["dense/dense"].create_dataset("bias:0", (10**12,), dtype="f4", chunks=(1000,))


def rows_of_any_length(file):
    del file["dense/dense/bias:0"]
    file["dense/dense"].create_dataset("bias:0", (2,), dtype=h5py.vlen_dtype(np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (soft_link, "dense/bias:0 is a link to elsewhere"),
        (link_to_another_file, "dense is a link to elsewhere"),
        (numbers_in_another_file, "dense/bias lies in other files"),
        (numbers_of_another_file, "dense/bias lies in other files"),
        (rows_of_any_length, "dense/bias holds no numbers"),
        (more_than_the_file_holds, "are said to have 4,000,000,000,024 bytes"),
    ],
)
def test_nothing_outside_of_the_file_and_nothing_huge_is_read(tmp_path, change, message):
    path = tmp_path / "weights.h5"
    write_keras(path, {"dense": (3, 2)})
    write_keras(tmp_path / "other.h5", {"dense": (3, 2)})
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(UserError, match=f"weights.h5 cannot be read as a weight file of Keras: .*{message}"):
        read_keras_weights(path)


def test_more_weights_than_there_can_be_are_not_looked_for(tmp_path):
    """Thousands of names of one group, each with thousands of names of one weight."""
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["layer_names"] = ["dense"] * 1000
        file.create_group("dense").attrs["weight_names"] = ["bias"] * 1000
        file["dense/bias"] = np.arange(3.0)
    with pytest.raises(UserError, match="more weights than it can hold"):
        read_keras_weights(tmp_path / "weights.h5")


def test_a_part_of_a_chunk_takes_the_memory_of_all_of_it(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["layer_names"] = ["dense"]
        file.create_group("dense").attrs["weight_names"] = ["bias"]
        file.create_dataset("dense/bias", (3,), "f4", chunks=(2**28,), maxshape=(None,), compression="gzip")
    with pytest.raises(UserError, match="are said to have 1,073,741,824 bytes"):
        read_keras_weights(tmp_path / "weights.h5")
