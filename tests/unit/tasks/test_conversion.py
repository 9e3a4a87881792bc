import logging

import pytest
import torch

from avel.errors import UserError
from avel.methods.avdln import AVDLN
from avel.tasks.conversion import check_writable, convert_released, write_conversion
from avel.tasks.loading import AnyCheckpointIO, check_weights, load_method, open_checkpoint
from tests.unit.checkpoints import hostile
from tests.unit.keras_files import write_keras

KERAS = {"dense_1": (6, 5), "dense_2": (5, 3), "dense_3": (4, 5), "dense_4": (5, 3)}


@pytest.fixture
def released(tmp_path):
    write_keras(tmp_path / "cmm.h5", KERAS)
    return tmp_path / "cmm.h5"


def test_what_was_found_is_told(released):
    conversion = convert_released(released, given={"margin": 1.5})
    assert list(conversion.lines()) == [
        "AVDLN, weights of Keras",
        "96 weights in 8 tensors",
        "sizes: visual_dim=6, audio_dim=4, hidden_dim=5, embedding_dim=3",
        "as given: margin=1.5",
        "not told by the weights, so as published (--set KEY=VALUE): num_classes=28",
    ]


def test_a_converted_file_is_a_checkpoint(released, tmp_path):
    out = tmp_path / "new" / "avdln.ckpt"
    write_conversion(convert_released(released, given={"num_classes": 3}), out)
    content = torch.load(out, weights_only=True)
    assert content["method"] == "avel.methods.avdln.AVDLN"
    assert content["released"] == {"file": "cmm.h5", "kind": "weights of Keras", "assumed": []}
    method = load_method(out)
    assert isinstance(method, AVDLN)
    assert method.num_classes == 3
    assert torch.equal(method.visual[0].weight, load_method(released).visual[0].weight)


def test_files_are_replaced_on_demand_only(released, tmp_path):
    before = tmp_path / "before.ckpt"
    before.touch()
    with pytest.raises(UserError, match="is there already; --force replaces it"):
        check_writable(before, source=released, force=False)
    check_writable(before, source=released, force=True)
    check_writable(tmp_path / "new.ckpt", source=released, force=False)
    with pytest.raises(UserError, match="is a folder"):
        check_writable(tmp_path, source=released, force=True)
    with pytest.raises(UserError, match="is the file to convert"):
        check_writable(tmp_path / "." / "cmm.h5", source=released, force=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"heads": 4}, "AVDLN has no argument 'heads'"),
        ({"num_classes": {"a": 1}}, "AVDLN cannot be built of num_classes="),
        ({"num_classes": "abc"}, "AVDLN cannot be built of num_classes=abc: 'abc' is no int"),
        ({"num_classes": True}, "AVDLN cannot be built of num_classes=true: True is no int"),
        ({"optimizer.lr": "fast"}, "AVDLN cannot be built of optimizer.lr=fast: 'fast' is no float"),
        ({"hidden_dim": -1}, "method.hidden_dim=-1: give a whole number from 1 on"),
        ({"num_classes": -4}, "method.num_classes=-4: give a whole number from 1 on"),
        ({"hidden_dim": 7}, r"taken for AVDLN with .*: 6 tensors do not fit:\n  dense_1/kernel has shape \(5, 6\)"),
    ],
)
def test_what_cannot_be_is_named(released, given, message):
    with pytest.raises(UserError, match=rf"cmm.h5: .*{message}"):
        convert_released(released, given=given)


def test_released_weights_serve_as_a_checkpoint_but_not_for_resuming(released, caplog):
    assert check_weights(released, resumes=False) == 0
    with pytest.raises(UserError, match=r"ckpt_path=.*cmm.h5: holds weights alone"):
        check_weights(released, resumes=True)
    caplog.set_level(logging.INFO)
    checkpoint = AnyCheckpointIO().load_checkpoint(released)
    assert checkpoint["state_dict"].keys() == open_checkpoint(released)["state_dict"].keys()
    assert caplog.messages == ["Released weights of AVDLN: cmm.h5 (weights of Keras)"]


def test_a_converted_file_cannot_be_resumed_from(released, tmp_path):
    write_conversion(convert_released(released), tmp_path / "avdln.ckpt")
    assert check_weights(tmp_path / "avdln.ckpt", resumes=False) == 0
    with pytest.raises(UserError, match="training cannot go on from it"):
        check_weights(tmp_path / "avdln.ckpt", resumes=True)


@pytest.mark.parametrize("load", [load_method, convert_released, lambda path: check_weights(path, resumes=False)])
def test_no_door_runs_code_of_a_file(tmp_path, load):
    trace, path = tmp_path / "trace", tmp_path / "weights.ckpt"
    for layout in ("archive", "stream"):
        hostile.write(path, hostile.calls(trace)["posix.system"], layout)
        with pytest.raises(UserError, match=r"names posix.system, .* it is refused"):
            load(path)
        assert not trace.exists()
