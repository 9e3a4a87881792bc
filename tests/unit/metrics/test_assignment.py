import torch

from avel.metrics.assignment import matches, true_positives
from avel.metrics.tables import Events, Predictions
from tests.unit.metrics import slow
from tests.unit.metrics.test_functional import NUM_CLASSES, table

THRESHOLDS = torch.tensor([0.3, 0.5, 1.0], dtype=torch.float64)


def test_who_loses_a_contest_takes_the_next_best_event_if_it_reaches_the_threshold():
    events = table(Events, [slow.Event(0, 0.0, 10.0, 0), slow.Event(0, 4.0, 14.0, 0)])
    weaker, surer = slow.Prediction(0, 0.0, 10.0, 0, 0.5), slow.Prediction(0, 1.0, 10.0, 0, 0.9)
    predictions = table(Predictions, [weaker, surer])
    order, found = matches(predictions, events, num_classes=NUM_CLASSES, tiou_thresholds=THRESHOLDS)
    assert order.tolist() == [1, 0]
    assert [(rank.tolist(), event.tolist()) for rank, event in found] == [([0, 1], [0, 1]), ([0], [0]), ([1], [0])]
    _, ranks = true_positives(predictions, events, num_classes=NUM_CLASSES, tiou_thresholds=THRESHOLDS)
    assert [rank.tolist() for rank in ranks] == [[0, 1], [0], [1]]
