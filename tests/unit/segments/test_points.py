import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.segments.points import UNBOUNDED, default_ranges, length_with_padding, pyramid_points


def test_levels_are_concatenated_from_fine_to_coarse():
    points = pyramid_points(8, ((0, 4), (4, 8), (8, 100)))
    assert points.lengths == (8, 4, 2)
    assert points.position.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 2, 4, 6, 0, 4]
    assert points.stride.tolist() == [1] * 8 + [2] * 4 + [4] * 2
    assert points.lower.tolist() == [0] * 8 + [4] * 4 + [8] * 2
    assert points.upper.tolist() == [4] * 8 + [8] * 4 + [100] * 2


@pytest.mark.parametrize("levels", [1, 2, 6, 9])
def test_default_ranges_double_and_leave_no_gap(levels):
    ranges = default_ranges(levels)
    assert len(ranges) == levels
    assert ranges[0][0] == 0
    assert ranges[-1][1] == UNBOUNDED
    assert all(
        coarse[0] == fine[1] == 4 * 2**i for i, (fine, coarse) in enumerate(zip(ranges, ranges[1:], strict=False))
    )


def test_published_ranges():
    assert default_ranges(6) == ((0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 10_000))


def test_length_must_fit_the_coarsest_stride():
    with pytest.raises(ValueError, match="multiple of 4 snippets, not 6"):
        pyramid_points(6, default_ranges(3))


def test_pyramids_that_begin_at_a_coarser_stride_and_ranges_that_overlap():
    points = pyramid_points(16, ((0, 16), (8, 100)), first_stride=4)
    assert points.lengths == (4, 2)
    assert points.position.tolist() == [0, 4, 8, 12, 0, 8]
    assert points.stride.tolist() == [4] * 4 + [8] * 2
    assert points.lower.tolist() == [0] * 4 + [8] * 2
    assert points.upper.tolist() == [16] * 4 + [100] * 2
    with pytest.raises(ValueError, match="2 levels need a multiple of 8 snippets, not 12"):
        pyramid_points(12, ((0, 16), (8, 100)), first_stride=4)


def test_points_cached_in_inference_mode_serve_autograd():
    with torch.inference_mode():
        points = pyramid_points(12, default_ranges(2))
    offset = torch.ones(len(points.stride), requires_grad=True)
    (offset * points.stride).sum().backward()
    torch.testing.assert_close(offset.grad, points.stride)
    assert pyramid_points(12, default_ranges(2)) is points


@given(st.integers(1, 200), st.sampled_from([1, 2, 8]))
def test_one_step_of_every_level_stays_free(longest, stride):
    length = length_with_padding(longest, stride, most=10_000)
    assert length % stride == 0
    assert stride <= length - longest < 2 * stride
    assert length_with_padding(longest, stride, most=64) == min(64, length)
