import pytest
import torch

from avel.metrics.rules import EvaluationRules, clean_events, collide
from avel.metrics.tables import Events


def kept_starts(segments, rules, labels=None):
    segments = torch.tensor(segments, dtype=torch.float64)
    zeros = torch.zeros(len(segments)).long()
    events = Events(zeros, segments, zeros if labels is None else torch.tensor(labels))
    return clean_events(events, num_classes=2, rules=rules).segments[:, 0].tolist()


def test_a_chain_of_near_duplicates_keeps_every_second():
    chain = [[5 + 0.6 * i, 9 + 0.6 * i] for i in range(5)]
    assert kept_starts(chain, EvaluationRules(duplicate_tolerance=0.7)) == [chain[i][0] for i in (0, 2, 4)]
    assert len(kept_starts(chain, EvaluationRules(duplicate_tolerance=None))) == 5


def test_the_earlier_of_two_duplicates_stays_and_the_order_too():
    segments = [[8.0, 9.0], [2.0, 3.0], [2.0005, 3.0], [1.0, 2.0]]
    assert kept_starts(segments, EvaluationRules()) == [8.0, 2.0, 1.0]
    assert kept_starts(segments, EvaluationRules(), labels=[0, 0, 1, 0]) == [8.0, 2.0, 2.0005, 1.0]
    assert kept_starts([[1.0, 4.0], [2.0, 5.0], [2.5, 5.0]], EvaluationRules(duplicate_tolerance=1.0)) == [1.0, 2.5]


@pytest.mark.parametrize(("shortest", "kept"), [(0.0, [1.0, 4.0, 6.0]), (1e-9, [4.0, 6.0]), (1e-3, [6.0])])
def test_short_events(shortest, kept):
    segments = [[1.0, 1.0], [4.0, 4.0005], [6.0, 7.0]]
    assert kept_starts(segments, EvaluationRules(min_event_length=shortest)) == kept


def test_collision_takes_a_raw_label_for_a_new_number():
    num_events = torch.tensor([3, 2, 0, 1, 5, 1, 0])  # classes 0, 1, 3, 4, 5 become 0, 1, 2, 3, 4
    assert collide(torch.arange(7), num_events).tolist() == [0, 1, 3, 3, 4, 5, 6]
