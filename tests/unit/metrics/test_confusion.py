import pytest
import torch
from hypothesis import given

from avel.errors import UserError
from avel.metrics.confusion import Confusion, confusion, most_frequent_confusions
from tests.unit.metrics.clips import CLASSES, PAIRS


@given(PAIRS)
def test_every_snippet_counts_once_in_its_place(pair):
    counts = confusion(*pair, CLASSES)
    expected = torch.zeros(CLASSES + 1, CLASSES + 1, dtype=torch.int64)
    for predicted, true in zip(*(labels.flatten().tolist() for labels in pair), strict=True):
        expected[true, predicted] += 1
    assert counts.equal(expected)
    confusions = most_frequent_confusions(counts, limit=CLASSES * (CLASSES + 1))
    assert sum(one.count for one in confusions) == pair[0].numel() - counts.trace()


def test_the_most_frequent_come_first():
    true = torch.tensor([[0, 0, 0, 0, 1, 1, 2, 2]])
    predicted = torch.tensor([[0, 1, 2, 2, 1, 0, 2, 2]])
    confusions = most_frequent_confusions(confusion(predicted, true, 2))
    assert confusions == [Confusion(0, 2, 2, 0.5), Confusion(0, 1, 1, 0.25), Confusion(1, 0, 1, 0.5)]
    assert most_frequent_confusions(confusion(predicted, true, 2), limit=1) == confusions[:1]
    assert most_frequent_confusions(confusion(true, true, 2)) == []


def test_labels_are_checked():
    with pytest.raises(UserError, match="one shape"):
        confusion(torch.zeros(1, 2).long(), torch.zeros(2, 1).long(), 2)
    with pytest.raises(UserError, match=r"in 0\.\.2, got 0 to 3"):
        confusion(torch.tensor([[3]]), torch.tensor([[0]]), 2)
