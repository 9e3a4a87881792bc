import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.losses.contrastive import contrastive_loss, pair_distance

numbers = st.floats(-10, 10, width=32)
pairs = st.lists(st.tuples(numbers.map(abs), st.booleans()), min_size=1, max_size=6)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
def test_distance_is_euclidean(columns):
    first, second = zip(*columns, strict=True)
    distance = pair_distance(torch.tensor(first), torch.tensor(second))
    assert distance.item() == pytest.approx(max(math.dist(first, second), 1e-7**0.5), rel=1e-4)


def test_distances_broadcast():
    visual, audio = torch.rand(2, 3, 4), torch.rand(2, 5, 4)
    matrix = pair_distance(visual[:, :, None], audio[:, None])
    assert matrix.shape == (2, 3, 5)
    assert matrix[1, 2, 4].item() == pytest.approx(math.dist(visual[1, 2].tolist(), audio[1, 4].tolist()), rel=1e-5)


def test_equal_embeddings_have_a_finite_gradient():
    embedding = torch.ones(3, requires_grad=True)
    pair_distance(embedding, torch.ones(3)).backward()
    assert embedding.grad.tolist() == [0, 0, 0]


def test_half_precision_is_left_behind():
    """400² does not fit in float16."""
    distance = pair_distance(torch.full((2,), 200.0).half(), torch.full((2,), -200.0).half())
    assert distance.item() == pytest.approx(400 * 2**0.5)


@given(pairs, st.floats(0.5, 4))
def test_loss_is_the_mean_over_pairs(rows, margin):
    distance, match = (torch.tensor(column) for column in zip(*rows, strict=True))
    expected = [d**2 if y else max(margin - d, 0) ** 2 for d, y in rows]
    loss = contrastive_loss(distance, match, margin).item()
    assert loss == pytest.approx(sum(expected) / len(expected), rel=1e-4, abs=1e-6)
