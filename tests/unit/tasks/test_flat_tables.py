import pytest
import torch

from avel.data import one_sided as read
from avel.data.one_sided import OneSidedSpan, one_sided_table
from avel.errors import UserError
from avel.events import Event, EventTable
from avel.metrics import one_sided as judged
from avel.metrics.errors import analyse
from avel.metrics.mean_ap import DenseMeanAveragePrecision
from avel.metrics.tables import Events
from avel.tasks.flat_tables import events_of, numbers, one_sided_of, predictions_of

NUMBER, LABEL = numbers(["a", "b"]), numbers(["dog", "cat"])


class Data:
    """Two known videos, and one that nobody predicted."""

    def __init__(self, spans=()):
        self.spans = spans

    def targets(self, split):
        segments = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        videos = {"a": [0, 1], "elsewhere": [0, 0], "b": []}
        return {
            video: {"video_id": video, "segments": segments[: len(labels)], "labels": torch.tensor(labels).long()}
            for video, labels in videos.items()
        }

    def one_sided(self, split):
        return dict.fromkeys(["b", "elsewhere"], one_sided_table(self.spans, ["dog", "cat"])) if self.spans else {}


def test_predictions_of_known_classes():
    rows = [Event("b", 1, 2, "cat", 0.5), Event("a", 0, 1, "unicorn", 0.9), Event("a", 0, 1, "dog")]
    table = predictions_of(EventTable(rows), NUMBER, LABEL)
    assert sorted(zip(*(column.tolist() for column in table), strict=True)) == [(0, [0, 1], 0, 0), (1, [1, 2], 1, 0.5)]
    assert predictions_of(EventTable([]), NUMBER, LABEL).segments.shape == (0, 2)


def test_tied_scores_of_videos_are_decided_as_by_the_metric():
    videos = [f"v{place:02}" for place in range(30)]
    found = EventTable([Event(video, 0, 1 + place % 2, "dog", 0.5) for place, video in enumerate(videos)])
    grid, segment = (0.5, 0.9), torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    metric = DenseMeanAveragePrecision(num_classes=1, tiou_thresholds=grid)
    one = {"segments": segment, "labels": torch.tensor([0])}
    metric.update(
        [
            one | {"video_id": event.video, "segments": segment * event.end, "scores": torch.tensor([event.score])}
            for event in found
        ],
        [one | {"video_id": video} for video in videos],
    )
    number = numbers(videos)
    profile = analyse(
        predictions_of(found, number, {"dog": 0}),
        Events(torch.arange(30), segment.expand(30, 2), torch.zeros(30, dtype=torch.int64)),
        num_classes=1,
        tiou_thresholds=torch.tensor(grid, dtype=torch.float64),
        durations=torch.full((30,), 9.0, dtype=torch.float64),
    )
    assert profile.map == float(metric.compute()["map"])


def test_videos_that_are_not_annotated_are_named():
    with pytest.raises(UserError, match="split test lack video 'c'"):
        events_of(Data(), numbers(["a", "c"]), "test")


def test_events_of_the_predicted_videos():
    assert [column.tolist() for column in events_of(Data(), NUMBER, "test")] == [[0, 0], [[1, 2], [3, 4]], [0, 1]]


def test_spans_of_the_predicted_videos():
    spans = [OneSidedSpan("seen", 0.0, 3.0, "cat"), OneSidedSpan("heard", 4.0, 5.0, None)]
    found = one_sided_of(Data(spans), NUMBER, "test")
    assert [column.tolist() for column in found] == [[1, 1], [[0, 3], [4, 5]], [1, judged.ANY_CLASS], [1, 0]]
    assert one_sided_of(Data(), NUMBER, "test") is None


def test_who_reads_and_who_judges_mean_the_same():
    assert (read.SIDES, read.NO_CLASS) == (judged.SIDES, judged.ANY_CLASS)
