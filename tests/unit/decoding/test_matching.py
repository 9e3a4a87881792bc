import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.decoding.matching import match_events, search

CLASSES = 2
lengths = st.integers(2, 6)


def random_distances(seed, count, length):
    """Few values, so that windows tie; sums of them are exact."""
    return torch.randint(1, 4, (count, length, length), generator=torch.Generator().manual_seed(seed)).float()


@st.composite
def clips(draw):
    """Distances (B, T, T) and labels (B, T) with one event, or none, in each clip."""
    count, length = draw(st.integers(1, 4)), draw(lengths)
    rows = []
    for _ in range(count):
        start, end = sorted(draw(st.tuples(st.integers(0, length), st.integers(0, length))))
        label = draw(st.integers(0, CLASSES - 1))
        rows.append([label if start <= t < end else CLASSES for t in range(length)])
    return random_distances(draw(st.integers(0, 99)), count, length), torch.tensor(rows)


def slow_search(distances, event):
    """One clip, window by window."""
    query = [t for t, inside in enumerate(event) if inside]
    means = [
        sum(distances[offset + i][t] for i, t in enumerate(query)) / len(query)
        for offset in range(len(event) - len(query) + 1)
    ]
    return means.index(min(means)), min(means)


@given(clips())
def test_equals_the_slow_twin(drawn):
    distances, labels = drawn
    found = match_events(distances, labels, CLASSES)
    for row, (matrix, clip) in enumerate(zip(distances, labels.tolist(), strict=True)):
        event = [label < CLASSES for label in clip]
        assert found.lengths[row] == sum(event)
        searched = any(event) and not all(event)
        assert found.labels[row] == (min(clip) if searched else CLASSES)
        if searched:
            for column, direction in enumerate((matrix, matrix.T)):
                start, mean = slow_search(direction.tolist(), event)
                assert found.starts[row, column] == start
                assert found.distances[row, column].item() == pytest.approx(mean)


def test_by_hand():
    """Audio snippet 1 is heard; what resembles it most is seen in snippet 3. Visual snippet 1 sounds like snippet 0."""
    distances = torch.full((1, 4, 4), 5.0)
    distances[0, 3, 1], distances[0, 1, 0] = 1.0, 2.0
    found = match_events(distances, torch.tensor([[2, 1, 2, 2]]), 2)
    assert found.labels.tolist() == [1]
    assert found.lengths.tolist() == [1]
    assert found.starts.tolist() == [[3, 0]]
    assert found.distances.tolist() == [[1.0, 2.0]]


def test_the_first_of_equally_near_windows_is_taken():
    start, _ = search(torch.ones(1, 5, 5), torch.tensor([[False, False, True, True, False]]))
    assert start.tolist() == [0]


def test_windows_end_with_the_clip():
    """The nearest snippet is the last, but a window of two cannot start there."""
    distances = torch.ones(1, 4, 4)
    distances[:, 3] = 0
    start, mean = search(distances, torch.tensor([[True, True, False, False]]))
    assert (start.item(), mean.item()) == (2, 0.5)


def test_nothing_is_searched_for_an_empty_query():
    _, mean = search(torch.ones(1, 3, 3), torch.zeros(1, 3, dtype=torch.bool))
    assert math.isnan(mean.item())
