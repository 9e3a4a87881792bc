import pytest
import torch

from avel.errors import UserError
from avel.methods.ccnet import CCNet
from avel.methods.unav import UnAV
from avel.tasks.loading import load_method
from tests.unit.methods.narrow import narrow


@pytest.mark.parametrize("kind", [UnAV, CCNet])
def test_a_checkpoint_rebuilds_its_method(kind, tmp_path):
    method = narrow(kind)
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "method.ckpt")
    again = load_method(tmp_path / "method.ckpt")
    assert type(again) is kind
    assert again.hparams == method.hparams
    assert not again.training
    for name, tensor in method.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


@pytest.mark.parametrize("name", ["os.system", "avel.methods.unav.torch", "avel.methods.no.No", "avel.methods.", ""])
def test_a_checkpoint_cannot_name_anything_else(name, tmp_path):
    torch.save({"method": name, "hyper_parameters": {}}, tmp_path / "bad.ckpt")
    with pytest.raises(UserError, match="bad.ckpt names no method of avel"):
        load_method(tmp_path / "bad.ckpt")


@pytest.mark.parametrize("content", [None, b"", b"no checkpoint"])
def test_what_is_no_checkpoint_is_named(content, tmp_path):
    if content is not None:
        (tmp_path / "bad.ckpt").write_bytes(content)
    with pytest.raises(UserError, match="bad.ckpt cannot be opened as a checkpoint"):
        load_method(tmp_path / "bad.ckpt")
