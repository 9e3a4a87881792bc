import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.segments.ops import tiou

segment = st.tuples(st.integers(-20, 20), st.integers(0, 10)).map(lambda s: [float(s[0]), float(s[0] + s[1])])
segments = st.lists(segment, min_size=1, max_size=6).map(torch.tensor)


def test_known_values():
    a = torch.tensor([[0.0, 10.0], [0.0, 4.0]])
    b = torch.tensor([[0.0, 10.0], [5.0, 10.0], [20.0, 30.0]])
    torch.testing.assert_close(tiou(a, b), torch.tensor([[1.0, 0.5, 0.0], [0.4, 0.0, 0.0]]))


def test_leading_axes_broadcast():
    a, b = torch.rand(3, 1, 4, 2).sort().values, torch.rand(5, 6, 2).sort().values
    result = tiou(a, b)
    assert result.shape == (3, 5, 4, 6)
    torch.testing.assert_close(result[1, 2], tiou(a[1, 0], b[2]))


def test_empty_segments_do_not_overlap_even_themselves():
    empty = torch.tensor([[2.0, 2.0]])
    assert tiou(empty, empty) == tiou(empty, empty, length_epsilon=1e-6) == 0


@given(segments, segments)
def test_symmetric_bounded_and_blind_to_shift_and_scale(a, b):
    result = tiou(a, b)
    assert ((result >= 0) & (result <= 1)).all()
    torch.testing.assert_close(result, tiou(b, a).T)
    torch.testing.assert_close(result, tiou(3 * a + 7, 3 * b + 7))


@given(segments)
def test_a_segment_is_equal_to_itself_only(a):
    equal = (a[:, None] == a[None]).all(dim=-1) & (a[:, 0] < a[:, 1])
    assert ((tiou(a, a) == 1) == equal).all()
