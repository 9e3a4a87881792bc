import torch

from avel.metrics.one_sided import ANY_CLASS, OneSided, lies_on
from avel.metrics.tables import Predictions
from tests.unit.metrics import slow
from tests.unit.metrics.test_functional import table


def spans(*rows):
    videos, starts, ends, labels = zip(*rows, strict=True)
    segments = torch.tensor([starts, ends], dtype=torch.float64).T
    return OneSided(torch.tensor(videos), segments, torch.tensor(labels), torch.zeros(len(rows), dtype=torch.int64))


def on(*rows, spans):
    return lies_on(table(Predictions, [slow.Prediction(*row, 0.5) for row in rows]), spans).tolist()


def test_half_of_a_prediction_lies_within_a_span_of_its_video_and_class():
    heard = spans((0, 10.0, 100.0, 1), (0, 0.0, 5.0, 1))
    rows = [(0, 9.0, 11.0, 1), (0, 8.0, 11.0, 1), (0, 20.0, 22.0, 1), (0, 20.0, 22.0, 0), (1, 20.0, 22.0, 1)]
    assert on(*rows, spans=heard) == [True, False, True, False, False]
    assert on((0, 2.0, 13.0, 1), (0, 20.0, 20.0, 1), spans=heard) == [False, False]  # not by two spans; no length


def test_a_span_of_no_known_class_is_one_of_any():
    assert on((0, 0.0, 4.0, 0), (0, 0.0, 4.0, 7), spans=spans((0, 0.0, 9.0, ANY_CLASS))) == [True, True]
