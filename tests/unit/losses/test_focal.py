import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits

from avel.losses.focal import sigmoid_focal_loss, smooth_labels

logit = st.floats(-30, 30, width=32)


@given(logit, st.sampled_from([0.0, 1.0]))
def test_definition(x, target):
    x, target = torch.tensor(x, dtype=torch.float64), torch.tensor(target, dtype=torch.float64)
    probability = torch.where(target == 1, torch.sigmoid(x), torch.sigmoid(-x))
    alpha = torch.where(target == 1, 0.25, 0.75)
    miss = torch.where(target == 1, torch.sigmoid(-x), torch.sigmoid(x))
    torch.testing.assert_close(sigmoid_focal_loss(x, target), -alpha * miss**2 * probability.log())


@given(logit, st.floats(0, 1, width=32))
def test_without_focus_it_is_half_the_cross_entropy(x, target):
    x, target = torch.tensor(x), torch.tensor(target)
    expected = 0.5 * binary_cross_entropy_with_logits(x, target)
    torch.testing.assert_close(sigmoid_focal_loss(x, target, alpha=0.5, gamma=0.0), expected)


def test_sure_and_right_costs_nothing_sure_and_wrong_stays_finite():
    logits, targets = torch.tensor([200.0, -200.0, 200.0, -200.0]), torch.tensor([1.0, 0.0, 0.0, 1.0])
    logits.requires_grad_()
    loss = sigmoid_focal_loss(logits, targets)
    loss.sum().backward()
    torch.testing.assert_close(loss.detach(), torch.tensor([0.0, 0.0, 150.0, 50.0]))
    torch.testing.assert_close(logits.grad, torch.tensor([0.0, 0.0, 0.75, -0.25]))


def test_gradient():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.rand(3, 4, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(sigmoid_focal_loss, (logits, targets))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_computed_in_float32(dtype):
    logits, targets = torch.linspace(-12, 12, 9).to(dtype), torch.ones(9)
    with torch.autocast("cpu", dtype):
        loss = sigmoid_focal_loss(logits, targets)
    torch.testing.assert_close(loss, sigmoid_focal_loss(logits.float(), targets), rtol=0, atol=0)


def test_smoothing_shares_with_all_classes_and_background():
    assert smooth_labels(torch.tensor([0.0, 1.0, 1.0]), 0.2).tolist() == pytest.approx([0.05, 0.85, 0.85])
    targets = torch.tensor([[0.0, 1.0]])
    torch.testing.assert_close(smooth_labels(targets, 0.0), targets, rtol=0, atol=0)
