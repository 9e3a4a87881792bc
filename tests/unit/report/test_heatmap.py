import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch.nn.functional import interpolate

from avel.report.heatmap import (
    INFERNO,
    JET,
    cells,
    overlay,
    released_frame_numbers,
    released_overlay,
    resize,
    resize_frames,
    stretch,
)

shapes = npst.array_shapes(min_dims=3, max_dims=3, max_side=8)
maps = npst.arrays(np.float32, shapes, elements=st.floats(0, 1, width=32, allow_subnormal=False)).map(torch.from_numpy)


def luma(colours):
    return colours @ np.array([0.2126, 0.7152, 0.0722])


def lightness(colours):
    """CIE L* of sRGB colours (..., 3)."""
    linear = np.where(colours <= 0.04045 * 255, colours / 255 / 12.92, ((colours / 255 + 0.055) / 1.055) ** 2.4)
    return 116 * np.cbrt(luma(linear)) - 16


def test_inferno_gets_lighter_in_even_steps():
    steps = np.diff(lightness(INFERNO.astype(float))[10:])
    assert INFERNO.shape == (256, 3)
    assert steps.min() > 0.1
    assert steps.max() < 0.8


def test_jet_is_dark_blue_then_green_then_dark_red():
    assert JET[[0, 128, 255]].tolist() == [[0, 0, 128], [130, 255, 126], [128, 0, 0]]


@given(maps)
def test_stretched_maps_reach_from_0_to_255_unless_constant(maps):
    stretched = stretch(maps)
    low, high = stretched.amin(dim=(1, 2)), stretched.amax(dim=(1, 2))
    varies = maps.amin(dim=(1, 2)) < maps.amax(dim=(1, 2))
    assert torch.equal(low, torch.zeros_like(low))
    torch.testing.assert_close(high, torch.where(varies, 255.0, 0.0))


@given(maps, st.integers(8, 20), st.integers(8, 20))
def test_enlarging_interpolates_with_pixel_centres_at_halves(maps, height, width):
    expected = interpolate(maps[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(resize(maps, (height, width)), expected)


def test_shrinking_averages():
    checkers = torch.arange(64.0).view(1, 8, 8) % 2
    assert (resize(checkers, (2, 2)) - 0.5).abs().max() < 0.05


@given(npst.arrays(np.uint8, (2, 6, 9, 3)))
def test_frames_keep_their_size_or_their_mean(frames):
    assert np.array_equal(resize_frames(frames, (6, 9)), frames)
    flat = np.broadcast_to(frames[:, :1, :1], frames.shape).copy()
    assert np.array_equal(resize_frames(flat, (4, 13)), np.broadcast_to(frames[:, :1, :1], (2, 4, 13, 3)))


@given(st.integers(0, 48))
def test_a_peak_is_brightest_where_it_is(place):
    peak = torch.zeros(1, 49)
    peak[0, place] = 1
    frames = np.full((1, 70, 140, 3), 128, np.uint8)
    row, column = divmod(place, 7)
    for picture in (overlay(peak.view(1, 7, 7), frames), cells(peak.view(1, 7, 7), (70, 140))):
        y, x = np.unravel_index(luma(picture[0]).argmax(), (70, 140))
        assert (y // 10, x // 20) == (row, column)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_higher_the_less_transparent(first, second):
    frames = np.stack([np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)])
    contrasts = []
    for value in sorted((first, second)):
        black, white = overlay(torch.full((2, 2, 2), value), frames)[:, 0, 0].astype(int)
        contrasts.append((white - black).min())
    assert contrasts[0] >= contrasts[1] - 1


def test_where_nothing_is_attended_the_frame_stays_but_pales():
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    frames[0], frames[1] = 90, (200, 0, 0)  # as bright as a grey of 60
    grey, red = overlay(torch.zeros(2, 2, 2), frames)
    assert np.array_equal(grey, frames[0])
    assert np.unique(red.reshape(-1, 3), axis=0).tolist() == [[130, 30, 30]]


def test_the_released_blend_is_a_fifth_of_jet_and_three_fifths_of_the_frame():
    frames = np.random.default_rng(0).integers(0, 256, (1, 2, 2, 3), np.uint8)
    attention = torch.tensor([[[0.0, 0.25], [0.5, 1.0]]])  # 63.75 and 127.5 are cut
    expected = 0.2 * JET[[[0, 63], [127, 255]]] + 0.6 * frames[0]
    assert np.abs(released_overlay(attention, frames)[0] - expected).max() <= 0.5


def test_a_constant_map_is_drawn_as_least_attention():
    drawn = released_overlay(torch.full((1, 7, 7), 1 / 49), np.zeros((1, 4, 4, 3), np.uint8))
    assert np.unique(drawn.reshape(-1, 3), axis=0).tolist() == [[0, 0, 26]]


@pytest.mark.parametrize("frames", [9, 240, 250, 299, 300])
def test_released_frame_numbers_divide_seconds_of_whole_frames(frames):
    k = int(frames / 10)
    expected = [int(second * k + i / 16 * k) for second in range(10) for i in range(16)]
    assert released_frame_numbers(frames).tolist() == expected
