import pytest
import torch
from hypothesis import given

from avel.errors import UserError
from avel.metrics.confusion import confusion
from tests.unit.metrics.clips import CLASSES, PAIRS


@given(PAIRS)
def test_every_snippet_counts_once_in_its_place(pair):
    counts = confusion(*pair, CLASSES)
    expected = torch.zeros(CLASSES + 1, CLASSES + 1, dtype=torch.int64)
    for predicted, true in zip(*(labels.flatten().tolist() for labels in pair), strict=True):
        expected[true, predicted] += 1
    assert counts.equal(expected)


def test_labels_are_checked():
    with pytest.raises(UserError, match="one shape"):
        confusion(torch.zeros(1, 2).long(), torch.zeros(2, 1).long(), 2)
    with pytest.raises(UserError, match=r"in 0\.\.2, got 0 to 3"):
        confusion(torch.tensor([[3]]), torch.tensor([[0]]), 2)
