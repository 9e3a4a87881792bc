import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.losses.diou import centre_diou_loss

distance = st.floats(0, 1000, width=32)
offsets = st.tuples(distance, distance)


def pair(*offsets, dtype=torch.float64):
    return [torch.tensor(values, dtype=dtype) for values in offsets]


@given(offsets, offsets)
def test_bounds_and_symmetry(a, b):
    a, b = pair(a, b)
    loss = centre_diou_loss(a, b)
    assert 0 <= loss <= 1.25 + 1e-12
    torch.testing.assert_close(loss, centre_diou_loss(b, a))
    torch.testing.assert_close(loss, centre_diou_loss(a.flip(0), b.flip(0)))


@given(st.tuples(st.floats(0, 1000, width=32), st.floats(0.125, 1000, width=32)))
def test_zero_for_equal_segments(a):
    assert centre_diou_loss(*pair(a, a)) == 0


@given(st.tuples(distance, distance), st.tuples(distance, st.floats(0.125, 1000, width=32)))
def test_definition_on_segments(a, b):
    (start_a, end_a), (start_b, end_b) = (-a[0], a[1]), (-b[0], b[1])
    hull = max(end_a, end_b) - min(start_a, start_b)
    intersection = min(end_a, end_b) - max(start_a, start_b)
    union = (end_a - start_a) + (end_b - start_b) - intersection
    centres = ((start_a + end_a) - (start_b + end_b)) / 2
    expected = 1 - intersection / union + (centres / hull) ** 2
    assert centre_diou_loss(*pair(a, b)).item() == pytest.approx(expected, abs=1e-9)


def test_disjoint_sides_are_worst():
    assert centre_diou_loss(*pair((0.0, 2.0), (3.0, 0.0))).item() == pytest.approx(1.25)


def test_empty_segments_are_finite_with_finite_gradient():
    predicted = torch.zeros(4, 2, requires_grad=True)
    loss = centre_diou_loss(predicted, torch.zeros(4, 2))
    loss.sum().backward()
    assert loss.tolist() == [1, 1, 1, 1]
    assert predicted.grad.isfinite().all()


def test_gradient():
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.rand(2, 5, 3, 2, generator=generator, dtype=torch.float64) + 0.1
    assert torch.autograd.gradcheck(centre_diou_loss, (predicted.requires_grad_(), target))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_computed_in_float32(dtype):
    predicted, target = torch.rand(2, 9, 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    with torch.autocast("cpu", dtype):
        loss = centre_diou_loss(predicted, target)
    torch.testing.assert_close(loss, centre_diou_loss(predicted.float(), target.float()), rtol=0, atol=0)
