import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from avel.checkpoints.released import read_released
from avel.errors import UserError
from tests.reference.authors import write_module
from tests.unit.checkpoints import hostile
from tests.unit.keras_files import write_keras

STATE = {"epoch": 7, "state_dict": {"module.w": torch.zeros(2)}, "state_dict_ema": {"module.w": torch.ones(2)}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth.tar"


def test_averaged_weights_come_first(path):
    torch.save({**STATE, "optimizer": {"lr": 0.1}, "scheduler": None}, path)
    found = read_released(path)
    assert found.tensors["w"].tolist() == [1, 1]
    assert found.kind == "averaged weights of epoch 7"
    assert found.left_out == ("state_dict", "optimizer", "scheduler")
    assert read_released(path, "last").tensors["w"].tolist() == [0, 0]
    assert read_released(path, "last").kind == "last weights of epoch 7"


def test_there_may_be_no_averaged_weights(path):
    torch.save({"state_dict": STATE["state_dict"]}, path)
    assert read_released(path).kind == "last weights"
    with pytest.raises(UserError, match="has no state_dict_ema: take --weights last"):
        read_released(path, "ema")


def test_numbers_of_numpy_beside_the_weights_do_no_harm(path):
    torch.save({**STATE, "best": np.float64(0.5), "rates": np.arange(3.0)}, path)
    assert read_released(path).tensors["w"].tolist() == [1, 1]


def test_the_prefix_of_wrappers_is_left_out_if_all_names_have_it(path):
    torch.save({"module.a": torch.zeros(1), "b": torch.zeros(1)}, path)
    assert read_released(path).tensors.keys() == {"module.a", "b"}


def test_parameters_are_tensors(path):
    torch.save(
        nn.ParameterDict({"a": nn.Parameter(torch.ones(2))}).state_dict() | {"b": nn.Parameter(torch.ones(1))}, path
    )
    assert [tensor.requires_grad for tensor in read_released(path).tensors.values()] == [False, False]


@pytest.mark.parametrize("legacy", [True, False])
def test_whole_modules(path, legacy):
    write_module(path, {"L1.weight": torch.ones(2)}, ("fully_model", "psp_net"), legacy=legacy)
    found = read_released(path)
    assert found.kind == "whole module psp_net"
    assert found.tensors["L1.weight"].tolist() == [1, 1]


def test_weights_of_keras_whatever_the_ending(path):
    written = write_keras(path, {"dense_1": (3, 2)})
    assert torch.equal(read_released(path).tensors["dense_1/kernel"], written["dense_1/kernel"].T)


def test_shapes_alone_can_be_read(path):
    torch.save(STATE, path)
    assert read_released(path, map_location="meta").tensors["w"].device.type == "meta"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no weights"),
        ({"state_dict": {}}, "holds no weights"),
        ({"state_dict": 3}, "its state_dict holds no weights by their names"),
        ([torch.zeros(2)], "holds list, and no weights by their names"),
        ({"a": torch.zeros(1), "rows": [1]}, "things that are no weights, such as rows"),
        ({"hyper_parameters": {}, "state_dict": {}}, "is a checkpoint of a run, there is nothing to convert"),
    ],
)
def test_files_without_weights_are_named(path, content, message):
    torch.save(content, path)
    with pytest.raises(UserError, match=rf"weights.pth.tar: .*{message}"):
        read_released(path)


def test_other_files_are_named(path, tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        read_released(path)
    with pytest.raises(UserError, match="is a folder"):
        read_released(tmp_path)
    torch.save(STATE, path)
    whole = path.read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], pickle.dumps({"a": 1})):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"weights.pth.tar: "):
            read_released(path)


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "\ud800", "w" * 201, 3])
def test_names_that_a_terminal_would_obey_are_refused(path, name):
    torch.save({"state_dict": {name: torch.zeros(1)}, name: 1}, path)
    with pytest.raises(UserError, match="holds things that are no weights, such as ") as error:
        read_released(path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400
    torch.save({**STATE, name: 1}, path)
    assert all(left.isprintable() and len(left) < 150 for left in read_released(path).left_out)


def test_names_of_forbidden_things_are_cut(path):
    path.write_bytes(b"\x80\x02cos\x1b[2J" + b"x" * 9999 + b"\nsystem\n.")
    with pytest.raises(UserError, match=r"names 'os\\x1b\[2Jxxx.*could run code") as error:
        read_released(path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 600


class Renamed:
    """Pickles as a dictionary of one entry whose instance has attributes in the place of methods."""

    def __init__(self, name, value):
        self.entry = name, value

    def __reduce_ex__(self, protocol):
        others = dict.fromkeys(("items", "get", "keys", "__getitem__"), torch.Size)
        return OrderedDict, (), others, None, iter([self.entry])


@pytest.mark.parametrize("wrapped", [True, False])
def test_dictionaries_have_the_methods_of_dictionaries(path, wrapped):
    """A pickle may give them attributes, called like their methods."""
    weights = Renamed("w", torch.ones(1))
    torch.save(Renamed("state_dict", weights) if wrapped else weights, path)
    assert read_released(path).tensors["w"].tolist() == [1]


@pytest.mark.parametrize("layout", ["archive", "stream", "first pickle", "protocol 5", "tar"])
def test_what_could_run_code_is_refused(path, tmp_path, layout):
    trace = tmp_path / "trace"
    for call in hostile.calls(trace).values():
        hostile.write(path, {**STATE, "scheduler": call}, layout)
        with pytest.raises(UserError, match="and could run code|is a tar archive"):
            read_released(path)
        assert not trace.exists()
