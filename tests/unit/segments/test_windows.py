import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.segments.windows import window_cores, window_starts


@given(st.integers(1, 500), st.integers(1, 64), st.data())
def test_windows_cover_the_video_and_share_the_overlap(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    starts = window_starts(length, size, overlap)
    assert starts[0] == 0
    assert max(starts[-1] + size, length) == max(size, length)
    assert all(0 < right - left <= size - overlap for left, right in pairwise(starts))


@given(st.integers(0, 64))
def test_one_window_if_the_video_fits(length):
    assert window_starts(length, 64, 32) == [0]


def test_last_window_ends_with_the_video():
    assert window_starts(10, 4, 1) == [0, 3, 6]
    assert window_starts(11, 4, 1) == [0, 3, 6, 7]


@pytest.mark.parametrize("overlap", [-1, 4, 5])
def test_overlap_must_leave_a_step(overlap):
    with pytest.raises(ValueError, match="windows of 4 snippets cannot overlap"):
        window_starts(10, 4, overlap)


@given(st.integers(1, 500), st.integers(1, 64), st.data())
def test_cores_part_all_of_time_within_their_windows(length, size, data):
    starts = window_starts(length, size, data.draw(st.integers(0, size - 1)))
    cores = window_cores(starts, size)
    assert (cores[0][0], cores[-1][1]) == (-math.inf, math.inf)
    assert all(left[1] == right[0] for left, right in pairwise(cores))
    for (low, high), start in zip(cores, starts, strict=True):
        assert start <= max(low, start) <= min(high, start + size) <= start + size


def test_cores_end_halfway_between_the_middles():
    assert window_cores([0, 3, 6], 4) == [(-math.inf, 3.5), (3.5, 6.5), (6.5, math.inf)]
