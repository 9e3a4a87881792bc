from avel.metrics.error_kinds import KINDS, false_positive_kinds
from avel.metrics.tables import Events, Predictions
from tests.unit.metrics import slow
from tests.unit.metrics.test_functional import NUM_CLASSES, table

# two videos with an event of class 0; a hammer, class 1, which nobody finds, is in the first one
TRUTH = [slow.Event(0, 0.0, 10.0, 0), slow.Event(0, 20.0, 30.0, 1), slow.Event(1, 0.0, 10.0, 0)]
MISTAKES = {
    "double": slow.Prediction(0, 0.0, 9.0, 0, 0.8),
    "localization": slow.Prediction(0, 0.0, 4.0, 0, 0.7),  # tIoU 0.4
    "class": slow.Prediction(0, 20.0, 29.0, 0, 0.6),
    "both": slow.Prediction(0, 20.0, 24.0, 0, 0.5),  # tIoU 0.4 with the hammer
    "background": slow.Prediction(0, 50.0, 60.0, 0, 0.4),
}
RIGHT = slow.Prediction(0, 0.0, 10.0, 0, 0.9), slow.Prediction(1, 0.0, 10.0, 0, 0.3)
FOUND = [RIGHT[0], *MISTAKES.values(), RIGHT[1]]


def kinds(prediction_rows, event_rows, threshold=0.5, **options):
    numbers = false_positive_kinds(
        table(Predictions, prediction_rows),
        table(Events, event_rows),
        num_classes=NUM_CLASSES,
        tiou_threshold=threshold,
        **options,
    )
    return [(*KINDS, "right")[number] for number in numbers.tolist()]


def test_the_first_kind_that_applies():
    truth = [slow.Event(0, 0.0, 10.0, 0), slow.Event(0, 5.0, 10.0, 1)]
    late = slow.Prediction(0, 5.5, 10.0, 0, 0.5)  # tIoU 0.45 with its class, 0.9 with the other one
    assert kinds([late], truth) == ["localization"]
    assert kinds([RIGHT[0], late], truth, 0.4) == ["right", "double"]
    assert kinds([late], truth, 0.7, least_tiou=0.5) == ["class"]
    assert kinds([late], truth, 0.95, least_tiou=0.5) == ["both"]
    assert kinds([late], truth, 0.95, least_tiou=0.92) == ["background"]


def test_equality_counts():
    half, tenth = slow.Prediction(0, 0.0, 5.0, 0, 0.8), slow.Prediction(0, 0.0, 1.0, 0, 0.7)
    assert kinds([RIGHT[0], half, tenth], TRUTH) == ["right", "double", "localization"]
    of_hammer = [row._replace(start=row.start + 20, end=row.end + 20) for row in (half, tenth)]
    assert kinds(of_hammer, TRUTH) == ["class", "both"]
