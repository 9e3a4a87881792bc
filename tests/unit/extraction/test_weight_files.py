import pickle
from zipfile import ZIP_DEFLATED, ZipFile

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from avel.errors import UserError
from avel.extraction.weight_files import fill, read_weights

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


def write_torch(path):
    torch.save(TENSORS, path)


def write_old_torch(path):
    torch.save(TENSORS, path, _use_new_zipfile_serialization=False)


def write_arrays(path):
    torch.save({name: tensor.numpy() for name, tensor in TENSORS.items()}, path)


def write_safetensors(path):
    pytest.importorskip("safetensors.torch").save_file(TENSORS, path)


def write_npz(path):
    np.savez(path, **{name: tensor.numpy() for name, tensor in TENSORS.items()})


def write_keras(path):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["a"]
        group = file.create_group("a")
        group.attrs["weight_names"] = [f"{name}:0" for name in TENSORS]
        for name, tensor in TENSORS.items():
            group[f"{name}:0"] = tensor.numpy()


WRITERS = {
    "new.pth": write_torch,
    "old.pth": write_old_torch,
    "arrays.pt": write_arrays,
    "a.safetensors": write_safetensors,
    "a.npz": write_npz,
    "a.h5": write_keras,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_is_read(tmp_path, name):
    WRITERS[name](tmp_path / name)
    read = read_weights(tmp_path / name)
    assert read.keys() == TENSORS.keys()
    assert all(torch.equal(read[key], tensor) for key, tensor in TENSORS.items())


def test_the_files_of_a_folder_are_put_together(tmp_path):
    write_torch(tmp_path / "one.pth")
    np.savez(tmp_path / "two.npz", b=np.zeros(1))
    (tmp_path / "README.md").write_text("no weights")
    assert read_weights(tmp_path).keys() == {*TENSORS, "b"}
    write_torch(tmp_path / "three.pth")
    with pytest.raises(UserError, match=r"several files in it hold a\.bias: leave one of them there"):
        read_weights(tmp_path)


class Harmful:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize("name", WRITERS)
def test_damaged_files_get_one_message(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=rf"{name}:? cannot be read as "):
        read_weights(path)


@pytest.mark.parametrize("content", [{"a": Harmful()}, [torch.zeros(1)], {"a": "text"}, {"epoch": {"a": 1}}])
def test_what_are_no_tensors_is_refused_and_never_run(tmp_path, capsys, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.pth: cannot be read as weights .* Take those"):
        read_weights(tmp_path / "a.pth", "Take those")
    assert not capsys.readouterr().out


def test_a_pickle_is_refused_and_never_run(tmp_path, capsys):
    (tmp_path / "a.bin").write_bytes(pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(UserError, match=r"a\.bin: cannot be read as weights"):
        read_weights(tmp_path / "a.bin")
    assert not capsys.readouterr().out


def test_what_is_not_there_or_not_known_is_told(tmp_path):
    with pytest.raises(UserError, match=r"no\.pth: no such file\. Take those"):
        read_weights(tmp_path / "no.pth", "Take those")
    with pytest.raises(UserError, match=r"holds no weight files \(\.pth, "):
        read_weights(tmp_path)
    (tmp_path / "model.ckpt").write_text("")
    with pytest.raises(UserError, match=r"model\.ckpt: is none of \.pth, .* can be read\. Take those"):
        read_weights(tmp_path / "model.ckpt", "Take those")


def test_a_network_gets_its_weights_in_float32():
    with torch.device("meta"):
        network = nn.Linear(3, 2)
    given = {"weight": torch.arange(6).view(3, 2).T.half(), "bias": torch.ones(2, dtype=torch.float64)}
    fill(network, given, "file")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert network(torch.ones(3)).tolist() == [0 + 2 + 4 + 1, 1 + 3 + 5 + 1]


def test_all_that_is_wrong_with_weights_is_told_in_their_order():
    given = {"weight": torch.zeros(3, 3), **{f"layers.{number}.bias": torch.zeros(1) for number in range(12)}}
    message = (
        r"file: holds weights of another network: lacks bias; has unknown layers\.0\.bias, layers\.1\.bias, "
        r"layers\.2\.bias, layers\.3\.bias and 8 more; has in another shape weight$"
    )
    with pytest.raises(UserError, match=message):
        fill(nn.Linear(3, 2), given, "file")


def test_a_changed_number_is_noticed(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"weight": torch.full((9,), 7.0)}, path)
    path.write_bytes(path.read_bytes().replace(torch.tensor(7.0).numpy().tobytes(), b"none", 1))
    with pytest.raises(UserError, match=r"a\.pt: cannot be read as weights \(is damaged, .*CRC.*: get the file again"):
        read_weights(path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a.npz", "is said to hold 1,048,576 bytes, the file has"), ("a.pt", "is a compressed archive")],
)
def test_what_would_fill_the_memory_is_refused(tmp_path, name, reason):
    with ZipFile(tmp_path / name, "w", ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(2**20))
    with pytest.raises(UserError, match=reason):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("shape", ["(10**12,)", "(1000000000000000,)", f"({'9' * 30},)", "(-1,)", "(", "(2,)"])
def test_an_array_that_is_not_there_is_not_waited_for(tmp_path, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}".encode() + b"}" * (shape != "(") + b"\n"
    with ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(UserError, match="cannot be read as weights"):
        read_weights(tmp_path / "a.npz")
