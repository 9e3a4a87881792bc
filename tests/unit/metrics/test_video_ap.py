import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.metrics.functional import dense_average_precision
from avel.metrics.tables import Events, Predictions
from avel.metrics.video_ap import video_average_precision

GRID = torch.tensor([0.5, 0.9], dtype=torch.float64)


def events(*rows):
    videos, segments, labels = zip(*rows, strict=True)
    return Events(torch.tensor(videos), torch.tensor(segments, dtype=torch.float64), torch.tensor(labels))


def predictions(*rows):
    videos, segments, labels, scores = zip(*rows, strict=True)
    table = events(*zip(videos, segments, labels, strict=True))
    return Predictions(*table, torch.tensor(scores, dtype=torch.float64))


def test_false_positives_of_absent_classes_count():
    truth = events((0, (0, 10), 0), (1, (0, 10), 0))
    found = predictions((0, (0, 10), 0, 0.9), (1, (0, 10), 1, 0.9), (1, (0, 10), 0, 0.8))
    of_videos = video_average_precision(found, truth, num_videos=3, num_classes=2, tiou_thresholds=GRID)
    assert of_videos[:2].tolist() == [1.0, 0.5]
    assert of_videos[2].isnan()


def test_thresholds_are_averaged_and_nothing_found_is_zero():
    truth = events((0, (0, 10), 0), (0, (20, 30), 0), (1, (0, 10), 0))
    found = predictions((0, (0, 8), 0, 0.9))  # half of the events at 0.5, none at 0.9
    of_videos = video_average_precision(found, truth, num_videos=2, num_classes=1, tiou_thresholds=GRID)
    assert of_videos.tolist() == [0.25, 0.0]


rows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(1, 9), st.integers(0, 99)), min_size=1, max_size=12
)


@settings(max_examples=30)
@given(rows, rows)
def test_with_one_class_it_is_the_average_precision_of_every_video(found, true):
    truth = events(*((video, (start, start + length), 0) for video, start, length, _ in true))
    table = predictions(*((v, (start, start + length), 0, score / 100) for v, start, length, score in found))
    of_videos = video_average_precision(table, truth, num_videos=3, num_classes=1, tiou_thresholds=GRID)
    # every video by itself, as a class of its own
    split = [part._replace(labels=part.videos) for part in (table, truth)]
    ap = dense_average_precision(*split, num_classes=3, tiou_thresholds=GRID).ap.mean(dim=1)
    assert of_videos.tolist() == pytest.approx(ap.tolist(), nan_ok=True)
