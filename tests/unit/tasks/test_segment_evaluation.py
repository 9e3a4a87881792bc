import random

import pytest
import torch

from avel.batch import ClipPrediction
from avel.events import Event
from avel.tasks.segment_evaluation import SegmentEvaluation
from tests.unit.tasks.clips import CLASSES, LENGTH, SIDE, ClipData

CPU = torch.device("cpu")
SCORES = ["accuracy", "accuracy_partial", "event_background", "event_f1", "pointing", "map", "map@0.50", "map@0.90"]


def guess(data, split="test"):
    """The truth of each video, wrong in every fifth snippet, with random scores and attention."""
    generator = torch.Generator().manual_seed(0)
    guesses = {}
    for video, labels in data.snippet_labels(split).items():
        wrong = torch.rand(LENGTH, generator=generator) < 0.2
        scores = torch.rand(LENGTH, CLASSES, generator=generator)
        attention = torch.randint(0, 3, (LENGTH, SIDE, SIDE), generator=generator).float()
        guesses[video] = ClipPrediction(torch.where(wrong, (labels + 1) % (CLASSES + 1), labels), scores, attention)
    return guesses


def evaluate(videos=None, *, split="test", batch_size=4, with_places=True):
    data = ClipData(with_places=with_places)
    guesses, evaluation = guess(data), SegmentEvaluation(data, split, CPU)
    videos = [*guesses] if videos is None else videos
    for start in range(0, len(videos), batch_size):
        batch = videos[start : start + batch_size]
        fields = [[getattr(guesses[video], name) for video in batch] for name in ("labels", "scores", "attention")]
        evaluation.add(batch, ClipPrediction(*(torch.stack(field) for field in fields)))
    return evaluation


def test_scores_have_names_and_the_average_precision_of_classes():
    scores, ap = evaluate().score()
    assert list(scores) == SCORES
    assert all(isinstance(value, float) and 0 < value < 1 for value in scores.values())
    assert ap.shape == (CLASSES, 2)
    assert scores["map"] == pytest.approx(float(ap.mean()))


def test_without_places_nothing_is_pointed_at():
    scores, _ = evaluate(with_places=False).score()
    assert list(scores) == [name for name in SCORES if name != "pointing"]


@pytest.mark.parametrize("batch_size", [1, 3, 9])
def test_batch_size_order_and_repetition_change_no_digit(batch_size):
    videos = [*ClipData().snippet_labels("test")]
    order = random.Random(batch_size).sample(videos, len(videos))
    evaluation = evaluate([*order, *order[:2]], batch_size=batch_size)
    assert evaluation.score()[0] == evaluate().score()[0]
    assert evaluation.events() == evaluate().events()


def test_truth_scores_one_and_comes_from_the_data():
    data = ClipData()
    truth, places = data.snippet_labels("test"), torch.stack([*data.places("test").values()])
    evaluation = SegmentEvaluation(data, "test", CPU)
    labels = torch.stack([*truth.values()])
    evaluation.add([*truth], ClipPrediction(labels, torch.ones(*labels.shape, CLASSES), places.float()))
    assert evaluation.score()[0] == dict.fromkeys(SCORES, 1.0)


def test_events_are_merged_snippets_in_seconds():
    evaluation = SegmentEvaluation(ClipData(), None, CPU)
    labels = torch.tensor([[2, 0, 0, 2, 1, 1], [2] * 6])
    scores = torch.tensor([0.5, 0.75]).expand(2, 6, 2)
    evaluation.add(["b", "a"], ClipPrediction(labels, scores, torch.zeros(2, 6, 3, 3)))
    table = evaluation.events()
    assert table.videos == ["a", "b"]
    assert table.events == [Event("b", 0.5, 1.5, "dog", 0.5), Event("b", 2.0, 3.0, "bell", 0.75)]


def test_two_ranks_give_the_scores_and_events_of_one(monkeypatch):
    """Ranks see unequal shares and one video in common; metrics gather by themselves, which their tests show."""
    videos = [*ClipData().snippet_labels("test")]
    one, other = evaluate(videos[:3]), evaluate(videos[2:])
    for mine, of_other in zip(*(metrics(evaluation) for evaluation in (one, other)), strict=True):
        mine.merge_state(of_other)

    def all_gather_object(parts, mine):
        parts[:] = [mine, other.dense.detections]

    monkeypatch.setattr(torch.distributed, "all_gather_object", all_gather_object)
    one.gather(2)
    assert one.score()[0] == evaluate().score()[0]
    assert one.events() == evaluate().events()


def metrics(evaluation):
    return evaluation.dense.metric, evaluation.accuracy, evaluation.event_f1, evaluation.pointing
