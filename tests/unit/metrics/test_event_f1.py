import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.errors import UserError
from avel.metrics.event_f1 import EventF1, count_events
from tests.unit.metrics.clips import CLASSES, PAIRS, events_of, most_matches, names, overlap


def f1(predicted, true, tiou_threshold=0.5):
    metric = EventF1(num_classes=CLASSES, tiou_threshold=tiou_threshold)
    metric.update(names(true), predicted, true)
    return {name: float(value) for name, value in metric.compute().items()}


@given(PAIRS, st.sampled_from([0.5, 0.6, 0.75, 1.0]))
def test_counts_equal_the_slow_twin(pair, threshold):
    expected = []
    for rows in zip(*(labels.tolist() for labels in pair), strict=True):
        predicted, true = (events_of(row) for row in rows)
        expected.append([most_matches(predicted, true, threshold), len(predicted), len(true)])
    assert count_events(*pair, CLASSES, threshold).tolist() == expected


@given(PAIRS)
def test_from_one_half_on_no_event_has_two_partners(pair):
    for rows in zip(*(labels.tolist() for labels in pair), strict=True):
        events, others = (events_of(row) for row in rows)
        for event in events:
            assert sum(event[2] == other[2] and overlap(event, other) >= 0.5 for other in others) <= 1


@settings(max_examples=30)
@given(PAIRS, st.sampled_from([0.5, 0.6, 1.0]))
def test_scores_are_shares_fall_with_the_threshold_and_change_places_with_prediction_and_truth(pair, threshold):
    scores, swapped, strict = f1(*pair, threshold), f1(*reversed(pair), threshold), f1(*pair, 1.0)
    assert all(0 <= score <= 1 for score in scores.values() if score == score)
    assert all(strict[name] <= score for name, score in scores.items() if score == score)
    names = {"event_f1": "event_f1", "event_precision": "event_recall", "event_recall": "event_precision"}
    assert {names[name]: score for name, score in swapped.items()} == pytest.approx(scores, nan_ok=True)


@settings(max_examples=20)
@given(PAIRS)
def test_the_truth_scores_one(pair):
    assert all(score == 1 or score != score for score in f1(pair[1], pair[1], 1.0).values())


def test_by_hand():
    true = torch.tensor([[0, 0, 0, 0, 2, 1, 1, 2], [2, 2, 2, 2, 2, 2, 2, 2]])
    predicted = torch.tensor([[2, 2, 0, 0, 2, 1, 0, 2], [1, 1, 1, 2, 0, 0, 2, 2]])
    scores = f1(predicted, true)  # 0 0 0 0 by its half, 1 1 by its half; the 0 behind, 1 1 1 and 0 0 are wrong
    assert scores == {"event_f1": 4 / 7, "event_precision": 2 / 5, "event_recall": 1.0}


def test_a_threshold_counts_where_it_is_reached():
    true, predicted = torch.tensor([[0] * 10]), torch.tensor([[0] * 7 + [2] * 3])
    assert f1(predicted, true, 0.7)["event_f1"] == 1
    assert f1(predicted, true, 0.71)["event_f1"] == 0


def test_what_cannot_be_counted_is_nan():
    background, event = torch.full((1, 4), CLASSES), torch.zeros(1, 4, dtype=torch.long)
    assert f1(background, event) == pytest.approx(
        {"event_f1": 0, "event_precision": torch.nan, "event_recall": 0}, nan_ok=True
    )
    assert all(value != value for value in f1(background, background).values())


@pytest.mark.parametrize("threshold", [0.49, 0, 1.5])
def test_thresholds_where_matching_is_ambiguous_are_refused(threshold):
    with pytest.raises(UserError, match="from 0.5 to 1"):
        EventF1(num_classes=CLASSES, tiou_threshold=threshold)


def test_labels_are_checked():
    with pytest.raises(UserError, match="video 'video 0': a predicted label outside 0..2"):
        f1(torch.full((1, 2), 3), torch.zeros(1, 2))
