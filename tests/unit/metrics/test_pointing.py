import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.errors import UserError
from avel.metrics.pointing import PointingGame

CELLS = 2 * 2 * 2 * 3  # two videos of two snippets of 2 x 3 places


def pointing(attention, places):
    metric = PointingGame()
    metric.update([f"video {row}" for row in range(len(attention))], attention, places)
    return float(metric.compute()["pointing"])


def shaped(values):
    return torch.tensor(values).view(2, 2, 2, 3)


@given(
    st.lists(st.integers(0, 3), min_size=CELLS, max_size=CELLS).map(shaped),
    st.lists(st.booleans(), min_size=CELLS, max_size=CELLS).map(shaped),
)
def test_equals_the_slow_twin(attention, places):
    hits = []
    for row, here in zip(attention.reshape(-1, 6).tolist(), places.reshape(-1, 6).tolist(), strict=True):
        if any(here):
            peaks = [inside for value, inside in zip(row, here, strict=True) if value == max(row)]
            hits.append(sum(peaks) / len(peaks))
    expected = sum(hits) / len(hits) if hits else math.nan
    assert pointing(attention.float(), places) == pytest.approx(expected, nan_ok=True)


def test_a_hit_a_miss_and_a_snippet_that_does_not_count():
    attention, places = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2, dtype=torch.bool)
    attention[0, :, 0, 1] = 1
    places[0, 0, 0, 1] = places[0, 1, 1, 1] = True
    assert pointing(attention, places) == 0.5


def test_a_constant_map_scores_what_chance_does():
    places = torch.zeros(1, 2, 7, 7, dtype=torch.bool)
    places[..., 0, :5] = True
    assert pointing(torch.full((1, 2, 7, 7), 1 / 49), places) == pytest.approx(5 / 49)


def test_shapes_are_checked():
    with pytest.raises(UserError, match=r"attention and places of 1 videos .* \(1, 2, 7, 7\) and \(1, 2, 6, 7\)"):
        pointing(torch.zeros(1, 2, 7, 7), torch.zeros(1, 2, 6, 7, dtype=torch.bool))
