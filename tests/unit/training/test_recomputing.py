import pytest
import torch
from torch.testing import assert_close

from avel.errors import UserError
from avel.training.recomputing import recompute_activations
from tests.unit.methods import test_uniav
from tests.unit.methods.test_half_precision import CLIPS, DENSE


def loss_and_gradients(method, batch):
    torch.manual_seed(0)  # what is dropped at random
    method.zero_grad()
    loss = method.losses(batch).total
    loss.backward()
    return [loss.detach(), *(p.grad for p in method.parameters() if p.grad is not None)]


@pytest.mark.parametrize("name", DENSE)
def test_losses_and_gradients_stay_the_same_and_less_is_kept(name):
    torch.manual_seed(0)
    method, batch = DENSE[name]().train(), test_uniav.batch("actions", 20, 9)
    normalizers = {key: value.clone() for key, value in method.named_buffers()}

    def kept_and_found():
        with torch.no_grad():
            for key, value in method.named_buffers():
                value.copy_(normalizers[key])
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
            torch.manual_seed(0)
            method.losses(batch)
        return sum(kept), loss_and_gradients(method, batch)

    kept, expected = kept_and_found()
    recompute_activations(method)
    kept_with_less, found = kept_and_found()
    assert kept_with_less < kept
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other)


def test_a_method_without_blocks_is_refused():
    with pytest.raises(UserError, match="method.checkpoint_activations=true: AVAtt, as it is configured, has none"):
        recompute_activations(CLIPS["av_att"]())
