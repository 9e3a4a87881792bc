import pytest
import torch
from hypothesis import given, settings

from avel.errors import UserError
from avel.metrics.segment_accuracy import SegmentAccuracy
from tests.unit.metrics.clips import CLASSES, PAIRS, names, ratio


def accuracy(predicted, true):
    metric = SegmentAccuracy(num_classes=CLASSES)
    metric.update(names(true), predicted, true)
    return {name: float(value) for name, value in metric.compute().items()}


def slow_accuracy(predicted, true):
    """Snippet by snippet."""
    pairs = [list(zip(*rows, strict=True)) for rows in zip(predicted.tolist(), true.tolist(), strict=True)]
    partial = [row for row in pairs if len({label == CLASSES for _, label in row}) == 2]
    events = [guess != CLASSES for row in pairs for guess, label in row if label != CLASSES]
    backgrounds = [guess == CLASSES for row in pairs for guess, label in row if label == CLASSES]
    everywhere, inside = ([guess == label for row in rows for guess, label in row] for rows in (pairs, partial))
    recalls = ratio(sum(events), len(events)), ratio(sum(backgrounds), len(backgrounds))
    return {
        "accuracy": ratio(sum(everywhere), len(everywhere)),
        "accuracy_partial": ratio(sum(inside), len(inside)),
        "event_background": sum(recalls) / 2,
    }


@given(PAIRS)
def test_equals_the_slow_twin(pair):
    assert accuracy(*pair) == pytest.approx(slow_accuracy(*pair), nan_ok=True)


@settings(max_examples=25)
@given(PAIRS)
def test_the_truth_scores_one_and_a_right_snippet_more_never_lowers(pair):
    predicted, true = pair
    assert all(score == 1 or score != score for score in accuracy(true, true).values())
    better = predicted.clone()
    better[:, 0] = true[:, 0]
    before, after = accuracy(predicted, true), accuracy(better, true)
    assert all(0 <= score <= after[name] <= 1 for name, score in before.items() if score == score)


def test_by_hand():
    true = torch.tensor([[0, 0, 2, 2], [1, 1, 1, 1]])
    predicted = torch.tensor([[0, 1, 2, 0], [1, 1, 2, 1]])
    assert accuracy(predicted, true) == {
        "accuracy": 5 / 8,
        "accuracy_partial": 2 / 4,
        "event_background": (5 / 6 + 1 / 2) / 2,
    }


def test_what_cannot_be_counted_is_nan():
    scores = accuracy(torch.tensor([[0, 2]]), torch.tensor([[0, 0]]))
    assert scores == pytest.approx(
        {"accuracy": 0.5, "accuracy_partial": torch.nan, "event_background": torch.nan}, nan_ok=True
    )


def test_either_constant_answer_is_chance_in_telling_events_from_background():
    true = torch.tensor([[0, 0, 2, 2, 2]])
    assert accuracy(torch.full_like(true, 2), true)["event_background"] == 0.5
    assert accuracy(torch.full_like(true, 1), true)["event_background"] == 0.5


def test_labels_are_checked():
    with pytest.raises(UserError, match="video 'video 0': a true label outside 0..2"):
        accuracy(torch.zeros(1, 2), torch.full((1, 2), 3))
