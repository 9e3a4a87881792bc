import gzip
import json

import numpy as np
import pytest
import torch

from avel.data.activitynet13 import ActivityNet13
from avel.data.module import LoaderOptions
from avel.errors import UserError
from tests.unit.data.files import SHARED, counts, link

REAL = SHARED / "activitynet13"
VIDEOS = {  # id -> subset, label
    "one": ("training", "Zumba"),
    "two": ("training", "Archery"),
    "three": ("validation", "Zumba"),
    "four": ("testing", None),
}


def rows(label):
    return [{"segment": [1.0, 9.0], "label": label}] if label else []


def write_official(root, *, name="activity_net.v1-3.min.json", label_ids=None):
    database = {
        video: {
            "subset": subset,
            "duration": 20.0,
            "url": "",
            "annotations": [row | ({"label_id": label_ids[label]} if label_ids else {}) for row in rows(label)],
        }
        for video, (subset, label) in VIDEOS.items()
    }
    (root / "annotations").mkdir()
    document = {"version": "VERSION 1.3", "taxonomy": [], "database": database}
    (root / "annotations" / name).write_text(json.dumps(document))


def write_proposal_list(root, *, packed=False, lost=()):
    (root / "annotations").mkdir()
    videos = {
        f"v_{video}": {"duration_second": 20.0, "duration_frame": 600, "annotations": rows(label)}
        for video, (_, label) in VIDEOS.items()
    }
    name, content = "anet_anno_action.json", json.dumps(videos).encode()
    path = root / "annotations" / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(content) if packed else content)
    table = [f"v_{video},600,{subset}\n" for video, (subset, _) in VIDEOS.items() if video not in lost]
    (root / "annotations" / "video_info_new.csv").write_text("video,numFrame,subset\n" + "".join(table))


def write_one_peace(root, length=39, videos=("one", "two", "three")):
    (root / "av_features").mkdir()
    steps = np.arange(length, dtype=np.float32)[:, None]
    for video in videos:
        np.save(root / "av_features" / f"v_{video}_one_peace_video_finetune.npy", steps.repeat(6, axis=1))
        np.save(root / "av_features" / f"v_{video}_one_peace_audio.npy", steps.repeat(4, axis=1))


def check_annotations(data, classes=("Archery", "Zumba")):
    splits = {split: [v.video for v in data.annotations.split(split)] for split in ("train", "validation", "test")}
    assert splits == {"train": ["one", "two"], "validation": [], "test": ["three"]}
    assert tuple(data.class_names) == classes
    assert data.targets("test")["three"]["segments"].tolist() == [[1, 9]]
    assert data.targets("test")["three"]["labels"].tolist() == [classes.index("Zumba")]
    assert data.annotations.videos[0].duration == 20


def test_the_official_file(tmp_path):
    write_official(tmp_path)
    check_annotations(ActivityNet13(root=tmp_path, selection_split="test"))


def test_the_file_of_uniav_has_its_own_label_ids(tmp_path):
    write_official(tmp_path, name="anet1.3_all.json", label_ids={"Zumba": 0, "Archery": 1})
    check_annotations(ActivityNet13(root=tmp_path, selection_split="test"), classes=("Zumba", "Archery"))


@pytest.mark.parametrize("packed", [False, True])
def test_the_list_for_proposals(tmp_path, packed):
    write_proposal_list(tmp_path, packed=packed)
    check_annotations(ActivityNet13(root=tmp_path, selection_split="test"))


def test_a_video_without_a_split_is_named(tmp_path):
    write_proposal_list(tmp_path, lost=("two",))
    with pytest.raises(UserError, match=r"json: 1 videos are not in video_info_new.csv \(first: 'v_two'\)"):
        _ = ActivityNet13(root=tmp_path).annotations


def test_missing_annotations_say_where_they_come_from(tmp_path):
    with pytest.raises(UserError) as caught:
        _ = ActivityNet13(root=tmp_path).annotations
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'annotations' / 'activity_net.v1-3.min.json'}: no such file (nor anet1.3")
    assert "make_synthetic.py activitynet13" in message


def test_resized_videos_have_a_grid_each(tmp_path):
    write_official(tmp_path)
    write_one_peace(tmp_path)
    data = ActivityNet13(root=tmp_path, resize=True, selection_split="test")
    assert data.facts().max_length == 256
    (batch,) = data.test_dataloader()
    assert batch.visual.shape == (1, 256, 6)
    (grid,) = batch.grids
    assert grid.stride == grid.window == (38 * 8 + 16) / 256
    torch.testing.assert_close(grid.to_seconds(batch.segments[0]), torch.tensor([[1.0, 9.0]]))
    plain = ActivityNet13(root=tmp_path, selection_split="test")
    (batch,) = plain.test_dataloader()
    assert batch.visual.shape == (1, 39, 6)
    assert batch.grids[0].hop == 0.5


def test_resized_training_samples_are_cropped(tmp_path):
    write_official(tmp_path)
    write_one_peace(tmp_path)
    loader = LoaderOptions(batch_size=2)
    data = ActivityNet13(root=tmp_path, resize=True, selection_split="test", loader=loader)
    (batch,) = data.train_dataloader()
    assert 230 <= batch.lengths.min() <= batch.lengths.max() <= 256


@pytest.mark.parametrize(("features", "fps"), [("tsp", 15), ("i3d", 25)])
def test_visual_families(tmp_path, features, fps):
    write_official(tmp_path)
    (tmp_path / f"{features}_features").mkdir()
    for video in VIDEOS:
        np.save(tmp_path / f"{features}_features" / f"v_{video}.npy", np.ones((30, 5), np.float32))
    data = ActivityNet13(root=tmp_path, features=features, resize=True, selection_split="test")
    facts = data.facts()
    assert (facts.visual_dim, facts.audio_dim, facts.max_length) == (5, 0, 192)
    (batch,) = data.test_dataloader()
    assert (batch.visual.shape, batch.audio.shape) == ((1, 192, 5), (1, 192, 0))
    assert batch.grids[0].hop == pytest.approx(30 * 16 / fps / 192)


def test_the_thresholds_are_those_of_the_published_evaluator():
    assert ActivityNet13.tiou_grid == tuple(np.linspace(0.5, 0.95, 10))


@pytest.mark.skipif(not REAL.exists(), reason="the real ActivityNet annotations lie outside of the repository")
def test_real_annotations(tmp_path, recwarn):
    for name in ("anet_anno_action.json.gz", "video_info_new.csv"):
        link(tmp_path / "annotations" / name, REAL / name)
    data = ActivityNet13(root=tmp_path, selection_split="test")
    statistics = json.loads((SHARED / "statistics.json").read_text())["activitynet13"]
    found = counts(data.annotations)
    assert (found["train"][0], found["test"][0]) == (
        statistics["videos"]["training"],
        statistics["videos"]["validation"],
    )
    empty, repeated = statistics["len<=0"], 50
    assert found["train"][1] + found["test"][1] + empty + repeated == sum(statistics["events"].values())
    assert len(data.class_names) == statistics["classes"]
    assert data.class_names == sorted(data.class_names)
    told = sorted(str(warning.message).partition(".gz: ")[2].partition(";")[0] for warning in recwarn)
    assert told == [
        "10 videos without events kept as negatives",
        f"{empty} events of zero length dropped",
        "215 events clipped to the length of their video",
        f"{repeated} events dropped that repeat another one",
    ]
    longest = max(video.segments[:, 1].max() - video.duration for video in data.annotations.videos if len(video.labels))
    assert longest <= 0
    assert len(ActivityNet13(root=tmp_path).annotations.split("validation")) == 965
