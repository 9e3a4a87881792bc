import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy, cross_entropy, multilabel_soft_margin_loss, one_hot
from torch.testing import assert_close

from avel.losses.classification import class_loss, most_relevant_loss, share_loss


def example(shape=(2, 5), classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(*shape, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, shape, generator=generator)


@pytest.mark.parametrize("shape", [(3,), (2, 5)])
def test_class_loss_is_a_mean_over_all_rows(shape):
    logits, target = example(shape)
    rows = zip(logits.reshape(-1, 4), target.flatten(), strict=True)
    expected = [class_loss(row[None], of_row[None]) for row, of_row in rows]
    assert_close(class_loss(logits, target), torch.stack(expected).mean())
    assert_close(class_loss(logits, target), cross_entropy(logits.flatten(0, -2), target.flatten()))


@given(st.integers(0, 99))
def test_released_loss_takes_probabilities_for_logits(seed):
    logits, target = example(seed=seed)
    expected = multilabel_soft_margin_loss(logits.softmax(dim=-1).flatten(0, 1), one_hot(target, 4).flatten(0, 1))
    assert_close(class_loss(logits, target, "released"), expected)


def test_released_loss_can_hardly_move():
    """With 29 classes it lies between 0.680 and 0.709, however good the network (unless it is sure and wrong)."""
    target = torch.tensor([7])
    certain = class_loss(100.0 * one_hot(target, 29), target, "released").item()
    uniform = class_loss(torch.zeros(1, 29), target, "released").item()
    assert certain == pytest.approx((28 * math.log(2) + math.log1p(math.exp(-1))) / 29, rel=1e-6)
    assert (round(certain, 3), round(uniform, 3)) == (0.680, 0.709)
    assert class_loss(100.0 * one_hot(target, 29), target).item() == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 99))
def test_share_loss_is_binary_cross_entropy_of_the_softmax(seed):
    logits, wanted = example((3,), seed=seed)[0], example((3,), seed=seed + 100)[0].softmax(dim=-1)
    assert_close(share_loss(logits, wanted), binary_cross_entropy(logits.softmax(dim=-1), wanted))


def test_share_loss_stays_finite_and_teaches_however_wrong():
    logits = torch.tensor([[300.0, 0.0, -300.0]], requires_grad=True)
    loss = share_loss(logits, torch.tensor([[0.0, 0.0, 1.0]]))
    loss.backward()
    assert_close(loss.detach(), torch.tensor((600.0 + 300.0) / 3))
    assert_close(logits.grad, torch.tensor([[2.0, -1.0, -1.0]]) / 3)


def test_share_loss_gradient():
    logits, wanted = example((3,))[0].requires_grad_(), example((3,), seed=1)[0].softmax(dim=-1)
    assert torch.autograd.gradcheck(share_loss, (logits, wanted))


def test_share_loss_runs_in_mixed_precision():
    logits, wanted = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).bfloat16(), torch.full((3, 4), 0.25)
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(share_loss(logits, wanted), share_loss(logits.float(), wanted))


def test_the_most_relevant_snippet_decides_whether_a_clip_shows_an_event():
    (logits, target), (relevance, _) = example((6,)), example((6,), classes=5, seed=1)
    target[0] = 3  # background
    event = relevance.sigmoid().amax(dim=1, keepdim=True)
    probabilities = event * logits.softmax(dim=1)
    probabilities[:, -1:] += 1 - event
    expected = -probabilities[torch.arange(6), target].log().mean()
    assert_close(most_relevant_loss(relevance, logits, target), expected)
