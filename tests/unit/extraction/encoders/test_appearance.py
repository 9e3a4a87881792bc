import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from avel.extraction.encoders import appearance
from avel.extraction.encoders.appearance import (
    COLOURS,
    EDGES,
    GROUPS,
    STRENGTHS,
    colour_bins,
    colour_groups,
    edge_bins,
    foreground,
    interior,
    median,
    relight,
)


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


def test_groups_of_colours():
    groups = colour_groups(np.arange(COLOURS, dtype=np.uint8))
    assert set(groups) == set(range(GROUPS))
    assert groups[: appearance.GREYS].max() < groups[appearance.GREYS :].min()
    assert len({int(groups[colour(level, level, level)]) for level in (20, 128, 240)}) == 3
    assert groups[colour(250, 5, 5)] != groups[colour(5, 250, 5)]
    assert groups[colour(250, 5, 5)] != groups[colour(100, 5, 5)]
    assert groups[colour(250, 100, 100)] == groups[colour(250, 5, 5)]  # how pale it is does not count


@given(light=st.tuples(*[st.floats(0.6, 1.4)] * 3), side=st.integers(0, 8))
def test_background_in_another_light(light, side):
    background = np.random.default_rng(0).integers(60, 160, (12, 15, 3), dtype=np.uint8)
    picture = np.rint(background * np.float32(light)).astype(np.uint8)
    expected = picture.copy()
    picture[:side, :side] = 255
    found = relight(background, picture[None])
    assert found.shape == (1, 12, 15, 3)
    assert np.abs(found[0].astype(int) - expected).max() <= 4


def test_the_dark_tells_nothing_about_light():
    background = np.full((6, 6, 3), appearance.DARK - 1, np.uint8)
    assert np.array_equal(relight(background, background[None] * 3)[0], background)


@pytest.mark.parametrize("distance", [1, 2])
def test_edges_of_the_foreground_are_not_in_it(distance):
    weights = np.zeros((1, 12, 14))
    weights[0, 2:9, 3:11] = 0.75
    expected = np.zeros_like(weights)
    expected[0, 2 + distance : 9 - distance, 3 + distance : 11 - distance] = 0.75
    assert np.array_equal(interior(weights, distance=distance), expected)
    assert not interior(np.ones((1, 4, 4)), distance=2).any()  # along a border nothing is compared
