import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.extraction.encoders.outline import FORM, PARTS, Outline


def rectangle(top, left, height, width):
    weights = np.zeros((1, 60, 80), np.float32)
    weights[0, top : top + height, left : left + width] = 1
    return weights


@given(top=st.integers(0, 20), left=st.integers(0, 20), height=st.integers(9, 40), width=st.integers(9, 40))
def test_parts_of_a_rectangle_are_nine_wherever_it_lies(top, left, height, width):
    weights = rectangle(top, left, height, width)
    parts = Outline.of(weights).parts(60, 80)
    assert parts.shape == weights.shape
    inside = parts[weights > 0].reshape(height, width)
    assert set(inside.ravel().tolist()) == set(range(PARTS**2))
    assert (np.diff(inside, axis=1) >= 0).all()
    assert (np.diff(inside, axis=0) >= 0).all()
    assert (inside == inside[::-1, ::-1].max() - inside[::-1, ::-1]).mean() > 0.6  # as many on both sides


@given(top=st.integers(0, 20), left=st.integers(0, 20), height=st.integers(9, 40), width=st.integers(9, 40))
def test_form_of_a_rectangle(top, left, height, width):
    aspect, fill = Outline.of(rectangle(top, left, height, width)).form()
    assert aspect == pytest.approx(np.log(width / height), abs=0.15)
    assert fill == pytest.approx(1, abs=0.2)


def test_nothing_has_no_form():
    nothing = Outline.of(np.zeros((3, 60, 80), np.float32))
    assert np.array_equal(nothing.form(), np.zeros(FORM))
    assert set(nothing.parts(60, 80).ravel().tolist()) <= set(range(PARTS**2))
