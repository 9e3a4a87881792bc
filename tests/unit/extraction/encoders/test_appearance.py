import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from avel.extraction.encoders import appearance
from avel.extraction.encoders.appearance import COLOURS, EDGES, STRENGTHS, colour_bins, edge_bins, foreground, median


@given(arrays.arrays(np.uint8, st.tuples(st.sampled_from([1, 3, 5, 25]), st.integers(1, 4), st.integers(1, 4))))
def test_median(pictures):
    assert np.array_equal(median(pictures), np.median(pictures, axis=0))


def colour(red, green, blue):
    return int(colour_bins(np.full((1, 1, 1, 3), (red, green, blue), np.uint8))[0, 0, 0])


@given(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)))
def test_bins_of_colour_are_in_range(rgb):
    assert 0 <= colour(*rgb) < COLOURS


def test_greys_differ_by_brightness():
    bins = [colour(level, level, level) for level in range(256)]
    assert bins == sorted(bins)
    assert set(bins) == set(range(appearance.GREYS))


def test_colours_differ_by_hue_saturation_and_brightness():
    hues = [colorsys.hsv_to_rgb(h / 32, 1, 1) for h in range(32)]
    bright, dark, pale = (
        {
            colour(*(round(level * brightness + (255 - level) * white) for level in map(lambda x: 255 * x, hue)))
            for hue in hues
        }
        for brightness, white in ((1, 0), (0.4, 0), (1, 0.5))
    )
    assert len(bright) == len(dark) == appearance.HUES
    assert not bright & dark
    assert not bright & pale


@pytest.mark.parametrize("distance", [1, 2])
@given(angle=st.floats(0.02, np.pi - 0.02), slope=st.floats(1, 12))
def test_edges_of_a_ramp(distance, angle, slope):
    y, x = np.mgrid[-5:6, -5:6]
    ramp = 128 + slope * (x * np.cos(angle) + y * np.sin(angle))
    picture = np.repeat(ramp.clip(0, 255).astype(np.uint8)[None, ..., None], 3, axis=-1)
    bins = edge_bins(picture, distance=distance)[0]
    assert bins.max() < EDGES
    strengths = bins[3:-3, 3:-3] % STRENGTHS
    expected = np.log2(2 * distance * slope / 4 + 1)
    assert np.abs(strengths - expected).max() < 2


def test_edges_turn_with_the_picture():
    picture = np.zeros((1, 9, 9, 3), np.uint8)
    picture[:, :, 5:] = 200
    upright, lying = edge_bins(picture, distance=1), edge_bins(picture.swapaxes(1, 2), distance=1)
    half = appearance.DIRECTIONS // 2 * STRENGTHS
    assert upright[0, 4, 4] + half == lying[0, 4, 4]


def test_the_foreground_is_what_differs():
    background = np.full((4, 4, 3), 100, np.uint8)
    pictures = np.repeat(background[None], 2, axis=0)
    pictures[0, 1, 1] = 0, 100, 100
    pictures[1, 2, 2] = 132, 100, 100
    weights = foreground(pictures, background)
    assert weights.shape == (2, 4, 4)
    assert weights[0, 1, 1] == 1
    assert weights[1, 2, 2] == 0.5
    assert weights.sum() == 1.5
