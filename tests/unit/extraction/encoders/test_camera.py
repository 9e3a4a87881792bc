import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.extraction.encoders.appearance import foreground, median
from avel.extraction.encoders.camera import align, offsets, overlap

SCENE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8).repeat(3, axis=0).repeat(3, axis=1)


def view(top, left):
    return SCENE[top : top + 40, left : left + 60]


@given(down=st.integers(-9, 9), right=st.integers(-15, 15))
@settings(max_examples=15)
def test_a_camera_that_moved_is_found(down, right):
    target, other = view(20, 30), view(20 + down, 30 + right)
    found = offsets(other[None, ..., 1].astype(np.float32), target[..., 1].astype(np.float32))
    assert found.tolist() == [[down, right]]
    here, there = overlap(down, right, (40, 60))
    assert np.array_equal(target[here], other[there])


def test_the_background_of_a_moving_camera():
    pictures = np.stack([view(20, 20 + 2 * index) for index in range(11)])
    present = pictures[5].copy()
    present[10:20, 20:30] = 0, 255, 0
    weights = foreground(present[None], median(align(pictures, present)))[0]
    assert weights[10:20, 20:30].mean() > 0.8
    weights[10:20, 20:30] = 0
    assert weights.mean() < 0.02
    assert foreground(present[None], median(pictures)).mean() > 0.2


def test_a_camera_that_stands_still_is_left_alone():
    pictures = np.stack([view(20, 30)] * 5)
    pictures[::2, 5:20, 5:20] = 255
    assert align(pictures, pictures[1]) is pictures or np.array_equal(align(pictures, pictures[1]), pictures)


def test_another_scene_is_left_alone():
    pictures = np.random.default_rng(1).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    assert np.array_equal(align(pictures, view(20, 30)), pictures)
