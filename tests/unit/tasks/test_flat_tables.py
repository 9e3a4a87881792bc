import torch

from avel.data import one_sided as read
from avel.data.one_sided import OneSidedSpan, one_sided_table
from avel.events import Event, EventTable
from avel.metrics import one_sided as judged
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
    assert [column.tolist() for column in table] == [[1, 0], [[1, 2], [0, 1]], [1, 0], [0.5, 0]]
    assert predictions_of(EventTable([]), NUMBER, LABEL).segments.shape == (0, 2)


def test_events_of_the_predicted_videos():
    assert [column.tolist() for column in events_of(Data(), NUMBER, "test")] == [[0, 0], [[1, 2], [3, 4]], [0, 1]]


def test_spans_of_the_predicted_videos():
    spans = [OneSidedSpan("seen", 0.0, 3.0, "cat"), OneSidedSpan("heard", 4.0, 5.0, None)]
    found = one_sided_of(Data(spans), NUMBER, "test")
    assert [column.tolist() for column in found] == [[1, 1], [[0, 3], [4, 5]], [1, judged.ANY_CLASS], [1, 0]]
    assert one_sided_of(Data(), NUMBER, "test") is None


def test_who_reads_and_who_judges_mean_the_same():
    assert (read.SIDES, read.NO_CLASS) == (judged.SIDES, judged.ANY_CLASS)
