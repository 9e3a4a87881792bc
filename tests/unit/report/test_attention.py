import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.errors import UserError
from avel.report.attention import COLUMNS, HEAD, LINE, MARGIN, PANEL, RIGHT, WRONG, Caption, attention_sheet

PAPER = (255, 255, 255)


def captions(count, predicted="dog", true="dog"):
    return [Caption(f"{t}-{t + 1} s", predicted, true) for t in range(count)]


def even(count, side=7):
    return torch.full((count, side, side), 1 / side**2)


def pixels(sheet):
    return np.asarray(sheet).astype(int)


def panel(sheet, height, index=0):
    y, x = HEAD + LINE, MARGIN + index * (PANEL + 14)
    return pixels(sheet)[y : y + height, x : x + PANEL]


def has(sheet, colour):
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((pixels(sheet) == wanted).all(axis=2).any())


@given(count=st.integers(1, 12), shape=st.tuples(st.integers(1, 9), st.integers(1, 9)), style=st.data())
@settings(max_examples=8, deadline=None)
def test_any_number_and_shape_of_maps_fits_with_a_margin(count, shape, style):
    attention = torch.rand(count, *shape).flatten(1).softmax(1).view(count, *shape)
    frames = np.full((count, *(20 * side for side in shape), 3), 99, np.uint8)
    options = {"style": style.draw(st.sampled_from(["readable", "released"]))}
    options |= style.draw(st.sampled_from([{}, {"frames": frames}]))
    image = pixels(attention_sheet(attention, captions(count, "x" * 99, "y" * 99), title="z" * 200, **options))
    edges = (image[:, :MARGIN], image[:, -MARGIN:], image[:9], image[-MARGIN // 2 :])
    assert all((edge == PAPER).all() for edge in edges)
    columns = max(2, min(count, COLUMNS))
    assert image.shape[1] == 2 * MARGIN + columns * PANEL + (columns - 1) * 14


def test_ten_seconds_are_two_rows_of_five():
    plain = attention_sheet(even(10), captions(10))
    assert plain.size == (1216, HEAD + 2 * (PANEL + 3 * LINE + 14) + LINE + MARGIN)
    wide = attention_sheet(even(10), captions(10), frames=np.zeros((10, 90, 160, 3), np.uint8))
    assert plain.height - wide.height == 2 * (PANEL - PANEL * 9 // 16)
    assert (
        attention_sheet(even(10), captions(10), style="released", frames=np.zeros((10, 90, 160, 3), np.uint8)).size
        == plain.size
    )


@pytest.mark.parametrize("style", ["readable", "released"])
@pytest.mark.parametrize("frames", [None, np.full((3, 64, 64, 3), 100, np.uint8)], ids=["plain", "frames"])
def test_each_map_peaks_in_its_own_panel(style, frames):
    places = [(1, 5), (6, 0), (3, 3)]
    attention = torch.zeros(3, 7, 7)
    attention[range(3), *zip(*places, strict=True)] = 1
    sheet = attention_sheet(attention, captions(3), frames=frames, style=style)
    for index, place in enumerate(places):
        red = panel(sheet, PANEL, index)[..., 0] - panel(sheet, PANEL, index)[..., 2] / 2
        y, x = np.unravel_index(red.argmax(), red.shape)
        assert (y // 32, x // 32) == place


def test_what_is_right_and_wrong_is_marked():
    assert has(attention_sheet(even(2), captions(2)), RIGHT)
    assert not has(attention_sheet(even(2), captions(2)), WRONG)
    wrong = attention_sheet(even(2), captions(2, predicted="cat"))
    assert (has(wrong, RIGHT), has(wrong, WRONG)) == (False, True)


def test_even_attention_looks_even_and_weaker_than_a_peak():
    nearly = even(1) + 1e-4 * torch.randn(1, 7, 7, generator=torch.Generator().manual_seed(0))
    weak = panel(attention_sheet(nearly, captions(1)), PANEL)
    assert np.ptp(weak, axis=(0, 1)).max() < 5
    assert weak.max() < 130
    restless = panel(attention_sheet(nearly, captions(1), style="released"), PANEL)
    assert np.ptp(restless, axis=(0, 1)).min() > 200


def test_long_names_are_cut_and_short_ones_are_not():
    def names(name):
        return pixels(attention_sheet(even(2), captions(2, name, name)))

    assert not np.array_equal(names("Fixed-wing aircraft, airplane"), names("Fixed-wing aircraft, airplan"))
    assert np.array_equal(names("a" * 60), names("a" * 61))


def test_a_caption_for_each_map():
    with pytest.raises(ValueError, match="zip"):
        attention_sheet(even(3), captions(2))


def test_an_unknown_style_is_named():
    with pytest.raises(UserError, match="style=jet"):
        attention_sheet(even(1), captions(1), style="jet")
