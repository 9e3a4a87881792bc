import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.metrics.functional import dense_average_precision
from avel.metrics.precision_recall import precision_recall
from avel.metrics.tables import Events, Predictions
from tests.unit.metrics import slow
from tests.unit.metrics.test_functional import NUM_CLASSES, THRESHOLDS, events, predictions, table


def curves(prediction_rows, event_rows, points=101):
    return precision_recall(
        table(Predictions, prediction_rows),
        table(Events, event_rows),
        num_classes=NUM_CLASSES,
        tiou_thresholds=torch.tensor(THRESHOLDS, dtype=torch.float64),
        points=points,
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(predictions, max_size=30), st.lists(events, max_size=6))
def test_the_area_is_the_average_precision_and_curves_fall(prediction_rows, event_rows):
    steps = math.lcm(*range(1, 7))  # every recall that 1 to 6 events can have is on the grid
    precision = curves(prediction_rows, event_rows, points=steps + 1)
    ap = dense_average_precision(
        table(Predictions, prediction_rows),
        table(Events, event_rows),
        num_classes=NUM_CLASSES,
        tiou_thresholds=torch.tensor(THRESHOLDS, dtype=torch.float64),
    ).ap
    torch.testing.assert_close(precision[..., 1:].mean(dim=2), ap, rtol=0, atol=1e-12, equal_nan=True)
    assert not (precision.diff(dim=2) > 0).any()


def test_a_curve_worked_out_by_hand():
    truth = [slow.Event(video, 0.0, 10.0, 1) for video in range(4)]
    right_wrong_right = [
        slow.Prediction(0, 0.0, 10.0, 1, 0.9),
        slow.Prediction(0, 50.0, 60.0, 1, 0.8),
        slow.Prediction(1, 0.0, 10.0, 1, 0.7),
    ]
    precision = curves(right_wrong_right, truth, points=9)
    # recalls 0, 1/8, 2/8 need one event (precision 1), 3/8 and 4/8 two (2 of 3), the others are not reached
    expected = torch.tensor([1, 1, 1, 2 / 3, 2 / 3, 0, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(precision[1], expected.expand(len(THRESHOLDS), 9))
    assert precision[[0, 2, 3]].isnan().all()


def test_no_predictions_have_no_precision_and_no_events_no_curve():
    assert curves([], [slow.Event(0, 0.0, 1.0, 2)])[2].eq(0).all()
    assert curves([slow.Prediction(0, 0.0, 1.0, 0, 0.5)], []).isnan().all()
