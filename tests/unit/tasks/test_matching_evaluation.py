import random
from pathlib import Path

import pytest
import torch

from avel.data.ave_annotations import read_ave_annotations, read_order
from avel.decoding.matching import Matches
from avel.events import Event
from avel.tasks.matching_evaluation import MatchingEvaluation, matching_baselines

CPU = torch.device("cpu")
REAL = Path(__file__).parents[3].parent / "shared" / "data" / "ave"
NAMES = ["a2v", "v2a", "matching", "a2v_overlap", "v2a_overlap"]


class Data:
    """Four clips of 4 half seconds: two partial events, a whole one and none."""

    class_names = ["dog", "bell"]
    selection_split = "validation"
    snippet_seconds = 0.5
    labels = {"b": [2, 0, 0, 2], "a": [1, 2, 2, 2], "whole": [0] * 4, "none": [2] * 4}

    def snippet_labels(self, split):
        return {video: torch.tensor(labels) for video, labels in self.labels.items()}


def found(videos):
    """Right for clip b from sound to picture, one snippet late from picture to sound, and so on."""
    rows = {
        "b": (0, 2, [1, 2], [0.0, 1.0]),
        "a": (1, 1, [3, 0], [3.0, 0.25]),
        "whole": (2, 4, [0, 0], [0.0, 0.0]),
        "none": (2, 0, [0, 0], [torch.nan, torch.nan]),
    }
    return Matches(*(torch.tensor(column) for column in zip(*(rows[video] for video in videos), strict=True)))


def evaluate(videos=tuple(Data.labels), *, split="test", batch_size=4):
    evaluation = MatchingEvaluation(Data(), split, CPU)
    for start in range(0, len(videos), batch_size):
        batch = videos[start : start + batch_size]
        evaluation.add(batch, found(batch))
    return evaluation


def test_scores():
    scores, ap = evaluate().score()
    assert scores == {"a2v": 0.5, "v2a": 0.5, "matching": 0.5, "a2v_overlap": 2 / 3, "v2a_overlap": 2 / 3}
    assert len(ap) == 0


def test_truth_comes_from_the_data():
    """Whatever the batch said was the query."""
    evaluation = MatchingEvaluation(Data(), "test", CPU)
    evaluation.add(["b"], found(["a"]))
    assert evaluation.score()[0]["a2v"] == evaluation.score()[0]["v2a"] == 0
    assert evaluation.score()[0]["a2v_overlap"] == 0


@pytest.mark.parametrize("split", ["test", None])
def test_events_say_what_was_searched(split):
    table = evaluate(split=split).events()
    assert table.videos == ["a", "b", "none", "whole"]
    assert table.events == [
        Event("a", 1.5, 2.0, "audio to visual: bell", 0.25),
        Event("a", 0.0, 0.5, "visual to audio: bell", 0.8),
        Event("b", 0.5, 1.5, "audio to visual: dog", 1.0),
        Event("b", 1.0, 2.0, "visual to audio: dog", 0.5),
    ]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batch_size_order_and_repetition_change_no_digit(batch_size):
    order = random.Random(batch_size).sample([*Data.labels], 4)
    evaluation = evaluate([*order, *order[:2]], batch_size=batch_size)
    assert evaluation.score()[0] == evaluate().score()[0]
    assert evaluation.events() == evaluate().events()


def test_a_split_without_partial_events_is_said_to_be_one():
    evaluation = evaluate(["whole", "none"])
    with pytest.warns(UserWarning, match="no video of the test split has both event and background"):
        scores, _ = evaluation.score()
    assert all(score != score for score in scores.values())


def test_two_ranks_give_the_scores_and_events_of_one(monkeypatch):
    """They have one video in common; the metric gathers by itself, which its tests show."""
    one, other = evaluate(["b", "a"]), evaluate(["a", "whole", "none"])
    one.metric.merge_state(other.metric)

    def all_gather_object(parts, mine):
        parts[:] = [mine, other.found]

    monkeypatch.setattr(torch.distributed, "all_gather_object", all_gather_object)
    one.gather(2)
    assert one.score()[0] == evaluate().score()[0]
    assert one.events() == evaluate().events()


def test_baselines_by_hand():
    """Clip b has three windows, of which cover 1, 2 and 1 snippets; clip a four, of which one covers its snippet."""
    baselines = matching_baselines(Data(), "test")
    exact, overlap = (1 / 3 + 1 / 4) / 2, (4 / 3 + 1 / 4) / 3
    random_offset = {"a2v": exact, "v2a": exact, "matching": exact, "a2v_overlap": overlap, "v2a_overlap": overlap}
    assert baselines["random offset"] == pytest.approx(random_offset)
    first = {"a2v": 0.5, "v2a": 0.5, "matching": 0.5, "a2v_overlap": 2 / 3, "v2a_overlap": 2 / 3}
    assert baselines["always offset 0"] == pytest.approx(first)
    assert list(baselines["random offset"]) == list(baselines["always offset 0"]) == NAMES


class Annotated(Data):
    """The real annotations of AVE without its features."""

    def __init__(self):
        self.annotations = read_ave_annotations(REAL / "Annotations.txt", snippets=10)
        self.class_names = [*self.annotations.class_names]

    def snippet_labels(self, split):
        labels = torch.from_numpy(self.annotations.snippet_labels())
        rows = read_order(REAL / f"{split}_order_match.h5", len(labels))
        return {self.annotations.videos[row]: labels[row] for row in rows}


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the annotations of AVE are not in {REAL}")
def test_the_baselines_of_the_real_test_split_are_the_known_ones():
    baselines = matching_baselines(Annotated(), "test")
    for name in ("a2v", "v2a", "matching"):
        assert f"{baselines['random offset'][name]:.2%}" == "20.77%"
        assert f"{baselines['always offset 0'][name]:.2%}" == "35.32%"
