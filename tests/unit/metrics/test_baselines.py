import torch

from avel.metrics.baselines import most_frequent_everywhere
from avel.metrics.mean_ap import DenseMeanAveragePrecision

TRAIN = [{"labels": torch.tensor(labels)} for labels in ([3, 1, 3], [0, 3, 1, 0], [5])]


def test_predicts_the_most_frequent_classes_over_whole_videos():
    first, second = most_frequent_everywhere(TRAIN, {"a": 10.0, "b": 7.5}, top_k=3)
    assert (first["video_id"], second["video_id"]) == ("a", "b")
    assert first["labels"].tolist() == [3, 0, 1]  # 0 and 1 are equally frequent
    torch.testing.assert_close(first["scores"], torch.tensor([3 / 8, 2 / 8, 2 / 8]))
    assert second["segments"].tolist() == [[0.0, 7.5]] * 3


def test_never_predicts_an_unseen_class():
    (video,) = most_frequent_everywhere(TRAIN, {"a": 10.0}, top_k=100)
    assert sorted(video["labels"].tolist()) == [0, 1, 3, 5]


def test_finds_an_event_that_fills_its_video():
    metric = DenseMeanAveragePrecision(num_classes=6)
    truth = {"video_id": "a", "segments": torch.tensor([[0.0, 9.5]]), "labels": torch.tensor([3])}
    metric.update(most_frequent_everywhere(TRAIN, {"a": 10.0}, top_k=1), [truth])
    assert metric.compute()["map"] == 1
