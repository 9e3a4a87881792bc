import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.metrics.functional import dense_average_precision
from avel.metrics.ranking import rank
from avel.metrics.tables import Events, Predictions, take
from tests.unit.metrics import slow
from tests.unit.metrics.test_functional import NUM_CLASSES, THRESHOLDS, events, predictions, table

GRID = torch.tensor(THRESHOLDS, dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(st.lists(predictions, min_size=1, max_size=30), st.lists(events, max_size=12, unique=True), st.randoms())
def test_without_false_positives_it_is_the_metric_without_them(prediction_rows, event_rows, random):
    found, truth = table(Predictions, prediction_rows), table(Events, event_rows)
    ranking = rank(found, truth, num_classes=NUM_CLASSES, tiou_thresholds=GRID)
    kept = ranking.is_right().any(dim=0) | torch.tensor([random.random() < 0.5 for _ in prediction_rows])
    left = take(found, ranking.order[kept].sort().values)
    expected = dense_average_precision(left, truth, num_classes=NUM_CLASSES, tiou_thresholds=GRID).ap.nanmean()
    actual = torch.tensor(ranking.mean_average_precision(kept.expand(len(GRID), -1)), dtype=torch.float64)
    assert actual.allclose(expected, rtol=0, atol=0, equal_nan=True)


def test_who_finds_what():
    truth = table(Events, [slow.Event(0, 0.0, 10.0, 1), slow.Event(0, 0.0, 10.0, 0)])
    found = table(Predictions, [slow.Prediction(0, 0.0, 5.0, 1, 0.9), slow.Prediction(0, 0.0, 10.0, 1, 0.5)])
    ranking = rank(found, truth, num_classes=2, tiou_thresholds=torch.tensor([0.5, 0.9], dtype=torch.float64))
    assert ranking.is_right().tolist() == [[True, False], [False, True]]
    assert ranking.is_found().tolist() == [[True, False], [True, False]]
    assert ranking.num_events.tolist() == [1, 1]
    assert ranking.at(1).is_right().tolist() == [[False, True]]
