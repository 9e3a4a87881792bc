import pytest
import torch

from avel.tasks.baselines import dense_baselines


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
