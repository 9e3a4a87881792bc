import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.metrics import tables
from avel.metrics.tables import Predictions, lexsort, ragged_ranges, rank_within, same_video, take

numbers = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0])


@given(st.lists(st.tuples(st.integers(0, 3), numbers), max_size=20))
def test_lexsort_is_pythons_stable_sort(rows):
    major = torch.tensor([row[0] for row in rows]).long()
    minor = torch.tensor([row[1] for row in rows], dtype=torch.float64)
    assert lexsort(major, minor).tolist() == sorted(range(len(rows)), key=lambda i: rows[i])


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_take_selects_rows_of_every_column_wherever_they_lie(monkeypatch, at_once):
    monkeypatch.setattr(tables, "ROWS_IN_CACHE", at_once)
    rows, order = torch.arange(20.0, dtype=torch.float64).view(5, 4), torch.tensor([4, 0, 0, 3])
    table = Predictions(torch.arange(5), rows[:, :2], rows[:, 2].long(), rows[:, 3])
    torch.testing.assert_close(list(take(table, order)), [column[order] for column in table], rtol=0, atol=0)
    assert len(take(table, order[:0]).segments) == 0


@given(st.lists(st.integers(0, 4), max_size=20))
def test_rank_within_counts_earlier_rows_of_the_group(groups):
    expected = [groups[:i].count(group) for i, group in enumerate(groups)]
    assert rank_within(torch.tensor(groups).long()).tolist() == expected


def test_ragged_ranges():
    owner, value = ragged_ranges(torch.tensor([5, 0, 9]), torch.tensor([2, 0, 3]))
    assert owner.tolist() == [0, 0, 2, 2, 2]
    assert value.tolist() == [5, 6, 9, 10, 11]


@given(st.lists(st.integers(0, 4), max_size=8), st.lists(st.integers(0, 4), max_size=8))
def test_same_video_pairs_all_rows_of_a_video(rows, others):
    pairs = same_video(torch.tensor(rows).long(), torch.tensor(others).long())
    expected = [(a, b) for a, video in enumerate(rows) for b, other in enumerate(others) if video == other]
    assert list(zip(*(column.tolist() for column in pairs), strict=True)) == expected
