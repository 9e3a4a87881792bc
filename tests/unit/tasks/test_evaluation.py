import pytest
import torch

from avel.decoding.class_scores import VideoClasses
from avel.decoding.detections import Detections
from avel.events import Event
from avel.tasks.evaluation import DenseEvaluation

CPU = torch.device("cpu")


class Data:
    """One class, two videos; the second has no event."""

    class_names = ["dog"]
    tiou_grid = (0.5, 0.75)

    def targets(self, split):
        return {
            "b": {"video_id": "b", "segments": torch.tensor([[1.0, 3.0]]), "labels": torch.tensor([0])},
            "a": {"video_id": "a", "segments": torch.zeros(0, 2), "labels": torch.zeros(0).long()},
        }

    def durations(self, split):
        return {"a": 9.0, "b": 9.0}


def found(*rows):
    segments = torch.tensor([row[:2] for row in rows]).reshape(-1, 2)
    return Detections(segments, torch.tensor([row[2] for row in rows]), torch.zeros(len(rows)).long())


def test_scores_have_names_and_one_class_is_not_taken_for_a_number():
    evaluation = DenseEvaluation(Data(), "test", CPU)
    evaluation.add(["b"], [found((1.0, 2.25, 0.75))])
    evaluation.add(["a"], [found()])
    scores, ap = evaluation.score()
    assert scores["map@0.50"] == 1
    assert scores["map@0.75"] == 0
    assert scores["map"] == 0.5
    assert set(scores) == {"map", "map@0.50", "map@0.75", "recall@1", "recall@5"}
    assert ap.tolist() == [[1, 0]]


def test_detections_without_a_class_get_those_of_their_video():
    classes = VideoClasses({"a": torch.tensor([1.0]), "b": torch.tensor([0.25])})
    evaluation = DenseEvaluation(Data(), "test", CPU, classes)
    evaluation.add(["b", "a"], [found((1.0, 3.0, 0.64)), found()])
    assert evaluation.score()[0]["map"] == 1
    assert [event.score for event in evaluation.events()] == [pytest.approx(0.4)]


def test_events_come_in_the_order_of_video_ids_and_videos_without_events_stay():
    evaluation = DenseEvaluation(Data(), None, CPU)
    evaluation.add(["b", "a"], [found((1.0, 2.0, 0.75), (3.0, 4.0, 0.5)), found()])
    table = evaluation.events()
    assert table.videos == ["a", "b"]
    assert table.events == [Event("b", 1.0, 2.0, "dog", 0.75), Event("b", 3.0, 4.0, "dog", 0.5)]


def test_a_split_without_events_is_said_to_be_one():
    evaluation = DenseEvaluation(Data(), "test", CPU)
    evaluation.add(["a"], [found((1.0, 2.0, 0.75))])
    with pytest.warns(UserWarning, match="no video of the test split has an event"):
        scores, _ = evaluation.score()
    assert scores["map"] != scores["map"]
