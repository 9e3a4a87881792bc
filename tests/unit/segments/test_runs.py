import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.segments.runs import runs

LABELS = (
    st.integers(1, 9)
    .flatmap(
        lambda length: st.lists(st.lists(st.integers(0, 2), min_size=length, max_size=length), min_size=1, max_size=4)
    )
    .map(torch.tensor)
)


def test_runs_by_hand():
    found = runs(torch.tensor([[1, 1, 0, 1], [2, 2, 2, 2]]))
    assert [column.tolist() for column in found] == [[0, 0, 0, 1], [0, 2, 3, 0], [2, 3, 4, 4], [1, 0, 1, 2]]


@given(LABELS)
def test_runs_rebuild_the_labels(labels):
    rebuilt = torch.full_like(labels, -1)
    for row, start, end, label in zip(*runs(labels), strict=True):
        assert (rebuilt[row, start:end] == -1).all(), "runs do not overlap"
        rebuilt[row, start:end] = label
    assert torch.equal(rebuilt, labels)


@given(LABELS)
def test_runs_are_maximal_and_in_order(labels):
    row, start, end, label = runs(labels)
    neighbours = row[1:] == row[:-1]
    assert (label[1:] != label[:-1])[neighbours].all()
    assert (start[1:] == end[:-1])[neighbours].all()
    assert (row[1:] >= row[:-1]).all()


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_nothing_has_no_runs(shape):
    assert [len(column) for column in runs(torch.zeros(shape, dtype=torch.long))] == [0, 0, 0, 0]
