from pathlib import Path

import pytest
import torch

from avel.data.ave_annotations import read_ave_annotations, read_order
from avel.tasks.baselines import dense_baselines, segment_baselines
from tests.unit.tasks.clips import SIDE, ClipData

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "ave"


class Data:
    """Two training videos, of classes 1 and 1 and 0; a test video that is one long event of class 1."""

    class_names = ["a", "b"]
    tiou_grid = (0.5, 0.9)

    def targets(self, split):
        labels = {"train": {"x": [1, 1], "y": [0]}, "test": {"z": [1]}}[split]
        return {
            video: {"video_id": video, "segments": torch.tensor([[0.0, 8.0]] * len(ids)), "labels": torch.tensor(ids)}
            for video, ids in labels.items()
        }

    def durations(self, split):
        return {"z": 10.0}


def test_the_frequent_class_everywhere_finds_the_long_event():
    scores = dense_baselines(Data(), "test")["most frequent everywhere"]
    assert {name: scores[name] for name in ("map", "map@0.50", "map@0.90")} == pytest.approx(
        {"map": 0.5, "map@0.50": 1.0, "map@0.90": 0.0}
    )


def test_background_and_the_true_class_everywhere():
    data = ClipData()
    labels = torch.stack([*data.snippet_labels("test").values()])
    scores = segment_baselines(data, "test")
    background, true_class = scores["all background"], scores["true class everywhere"]
    share = float((labels == 2).double().mean())
    assert background["accuracy"] == share
    assert background["event_f1"] == background["map"] == 0
    without_event = 2 / 9  # these videos are background everywhere
    assert true_class["accuracy"] == pytest.approx(1 - share + without_event)
    assert background["accuracy_partial"] + true_class["accuracy_partial"] == pytest.approx(1)
    assert background["event_background"] == 0.5
    assert 0 < true_class["map@0.90"] < true_class["map@0.50"]
    assert background["pointing"] == true_class["pointing"] == pytest.approx(1 / SIDE**2), "chance"


def test_baselines_have_no_pointing_without_places():
    scores = segment_baselines(ClipData(with_places=False), "test")
    assert all("pointing" not in of_baseline for of_baseline in scores.values())


class Annotated:
    """The real annotations of AVE without its features."""

    tiou_grid = (0.1, 0.5, 0.9)
    selection_split = "validation"
    snippet_seconds = 1.0

    def __init__(self):
        self.annotations = read_ave_annotations(REAL / "Annotations.txt", snippets=10)
        self.class_names = [*self.annotations.class_names]

    def rows(self, split):
        return read_order(REAL / f"{split}_order.h5", len(self.annotations))

    def snippet_labels(self, split):
        labels = torch.from_numpy(self.annotations.snippet_labels())
        return {self.annotations.videos[row]: labels[row] for row in self.rows(split)}

    def targets(self, split):
        return {
            self.annotations.videos[row]: {
                "video_id": self.annotations.videos[row],
                "segments": torch.from_numpy(self.annotations.segments[row : row + 1]).double(),
                "labels": torch.from_numpy(self.annotations.classes[row : row + 1]),
            }
            for row in self.rows(split)
        }

    def durations(self, split):
        return dict.fromkeys(self.targets(split), 10.0)

    def places(self, split):
        return {}


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the annotations of AVE are not in {REAL}")
def test_the_real_test_split_has_the_known_numbers():
    data = Annotated()
    labels = torch.stack([*data.snippet_labels("test").values()])
    partial = labels[(labels == 28).any(1) & (labels < 28).any(1)]
    assert (len(labels), len(partial)) == (402, 141)
    scores = segment_baselines(data, "test")
    background, true_class = scores["all background"], scores["true class everywhere"]
    assert f"{background['accuracy']:.2%}" == "17.79%"
    assert f"{true_class['accuracy']:.2%}" == "82.21%"
    assert background["accuracy_partial"] == 715 / 1410
    assert true_class["accuracy_partial"] == 695 / 1410
    assert background["event_background"] == true_class["event_background"] == 0.5
    assert true_class["event_f1"] == (402 - 19 - 26 - 21) / 402, "events of 2, 3 and 4 seconds are missed"
    assert true_class["map@0.10"] == 1
