import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from avel.data.custom import CustomData
from avel.data.module import LoaderOptions
from avel.data.transforms import FeatureNoise, RandomCrop
from avel.errors import UserError
from tests.unit.data.files import write_own_features, write_rows
from tests.unit.data.formats.test_elan import write_elan

CONF = Path(__file__).parents[3] / "conf" / "data" / "custom.yaml"
VIDEOS = [f"v{number:02d}" for number in range(20)]
LENGTHS = dict.fromkeys(VIDEOS, 20)
"""20 snippets see 10.5 seconds."""

ignore_told = pytest.mark.filterwarnings("ignore:.*(drawn by a hash|without events)")
pytestmark = ignore_told


@pytest.fixture
def folder(tmp_path):
    return write_own_features(tmp_path / "features", LENGTHS)


@pytest.fixture
def table(tmp_path):
    rows = [f"{video}.mp4,1,{2 + i % 3},{('dog', 'cat')[i % 2]}" for i, video in enumerate(VIDEOS)]
    return write_rows(tmp_path / "own.csv", *rows)


def own(table, folder, **options):
    return CustomData(annotations=table, feature_dir=folder, **options)


def test_what_the_files_do_not_say_is_found_out(table, folder):
    data = own(table, folder)
    facts = data.facts()
    assert (facts.num_classes, facts.visual_dim, facts.audio_dim, facts.max_length) == (2, 3, 2, 64)
    assert facts.videos == {"train": 14, "validation": 3, "test": 3}
    assert data.class_names == ["cat", "dog"]
    data.setup("fit")
    data.setup("test")
    assert set(data.durations("test").values()) == {10.5}
    splits = [set(data.targets(split)) for split in ("train", "validation", "test")]
    assert set.union(*splits) == set(VIDEOS)


def test_samples(table, folder):
    data = own(table, folder, loader=LoaderOptions(batch_size=14))
    (batch,) = data.test_dataloader()
    assert batch.visual.shape == (3, 20, 3)
    # snippet 1 sees 0.5 to 1.5 s: its middle is at 1 s
    assert batch.segments[:, 0, 0].tolist() == [1, 1, 1]
    (batch,) = data.train_dataloader()
    assert 12 <= batch.mask.sum(dim=1).min() <= batch.mask.sum(dim=1).max() <= 20


@pytest.mark.parametrize(("longest", "max_length"), [(63, 64), (64, 128), (65, 128), (500, 512), (2000, 512)])
def test_the_longest_training_video_leaves_a_padded_snippet(tmp_path, longest, max_length):
    folder = write_own_features(tmp_path, {"a": longest, "b": 9, "c": 3000})
    rows = ["a,0,1,dog,train", "b,0,1,dog,validation", "c,0,1,dog,test"]
    table = write_rows(tmp_path / "own.csv", *rows, header="video,start,end,label,subset")
    assert own(table, folder).facts().max_length == max_length
    assert own(table, folder, max_length=32).facts().max_length == 32


def test_other_formats_and_a_given_duration(tmp_path, folder):
    documents = tmp_path / "labels"
    documents.mkdir()
    for video in VIDEOS:
        (documents / f"{video}.eaf").write_text(write_elan({"dog": [(1, 2, None)]}))
    assert own(documents, folder).facts().num_classes == 1
    database = {video: {"duration": 30, "annotations": [{"segment": [20, 30], "label": "dog"}]} for video in VIDEOS}
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"database": database}))
    data = own(path, folder)
    data.setup("test")
    assert set(data.durations("test").values()) == {30}


def test_what_is_only_heard_is_known_but_no_event(tmp_path, folder):
    heard = [{"segment": [3, 4], "label": "dog"}]
    rows = {"duration": 10, "annotations": [{"segment": [1, 2], "label": "dog"}], "only_heard": heard}
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"database": {f"{video}.mp4": rows for video in VIDEOS}}))
    data = own(path, folder)
    found = data.one_sided("test")
    assert set(found) == set(data.targets("test"))
    assert {tuple(table["segments"].flatten().tolist()) for table in found.values()} == {(3, 4)}
    path.write_text(json.dumps({"database": {video: rows | {"only_heard": []} for video in VIDEOS}}))
    assert own(path, folder).one_sided("test") == {}


def test_events_must_fit_the_features(tmp_path, folder):
    table = write_rows(tmp_path / "own.csv", *(f"{video},0,{60 if video == 'v07' else 1},dog" for video in VIDEOS))
    with pytest.raises(UserError, match=r"video 'v07': event \[0, 60\] s lies outside the video of 10\.5 s"):
        own(table, folder).facts()
    with pytest.warns(UserWarning, match="1 events clipped to the length of their video"):
        assert own(table, folder, beyond="clip").facts().num_classes == 1


def test_selection_on_the_test_split_draws_no_validation_split(table, folder):
    assert own(table, folder, selection_split="test").facts().videos == {"train": 17, "validation": 0, "test": 3}
    data = own(table, folder, test_share=0.5, validation_share=0.25)
    assert data.facts().videos == {"train": 5, "validation": 5, "test": 10}


def test_missing_and_damaged_features_are_told_when_they_are_needed(table, folder):
    training = next(iter(own(table, folder).targets("train")))
    (folder / f"{training}_v.npy").unlink()
    assert own(table, folder).facts().num_classes == 2
    with pytest.raises(UserError, match=f"1 of 14 videos lack feature files .*: {training}\n.*data.allow_missing=true"):
        own(table, folder).setup("fit")
    with pytest.warns(UserWarning, match="1 of 14 videos lack feature files"):
        own(table, folder, allow_missing=True).setup("fit")
    (folder / f"{training}_v.npy").write_bytes(b"")
    with pytest.raises(UserError, match=f"{training}_v.npy: cannot be read as .npy"):
        own(table, folder).setup("fit")


def test_noise_is_for_training(table, folder):
    quiet, noisy = (own(table, folder, noise=noise, crop=RandomCrop(ratio=None)) for noise in (0.0, 0.5))
    for data in (quiet, noisy):
        sample = data.dataset("test", training=False)[0]
        assert np.array_equal(sample.visual, np.load(folder / f"{sample.video}_v.npy"))
    before, after = (data.dataset("train", training=True)[0, 1] for data in (quiet, noisy))
    assert not torch.equal(before.visual, after.visual)
    assert torch.equal(before.segments, after.segments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"annotations": None}, "data.annotations=FILE data.feature_dir=DIR: give both"),
        ({"feature_dir": None}, "data.annotations=FILE data.feature_dir=DIR: give both"),
        ({"test_share": 1}, "data.test_share=1: give a share from 0 to below 1"),
        ({"validation_share": -0.1}, "data.validation_share=-0.1: give a share"),
        ({"test_share": 0.5, "validation_share": 0.5}, r"data.test_share \+ data.validation_share=1.0: give a share"),
        ({"frame_rate": 0}, "data.frame_rate=0: give a positive number of frames per second, or null"),
        ({"tiou_grid": []}, r"data.tiou_grid=\[\]: give thresholds above 0 and up to 1"),
        ({"tiou_grid": [0.5, 1.5]}, r"data.tiou_grid=\[0.5, 1.5\]: give thresholds"),
        ({"noise": -1}, "data.noise=-1: give a number from 0"),
    ],
)
def test_impossible_options_are_refused(table, folder, options, message):
    with pytest.raises(UserError, match=message):
        CustomData(**{"annotations": table, "feature_dir": folder} | options)


def test_the_yaml_names_the_arguments_and_their_defaults(table, folder):
    config = yaml.safe_load(CONF.read_text())
    assert config.pop("_target_") == "avel.data.custom.CustomData"
    crop, loader = ({k: v for k, v in config.pop(key).items() if k != "_target_"} for key in ("crop", "loader"))
    assert RandomCrop(**crop | {"ratio": tuple(crop["ratio"])}) == CustomData.training_crop
    assert LoaderOptions(**loader | {"order": "shuffled"}) == LoaderOptions()
    files = {"annotations": table, "feature_dir": folder, "selection_split": "validation"}
    data, default = CustomData(**config | files), own(table, folder)
    for name in (
        "modality",
        "reading",
        "shares",
        "tiou_grid",
        "frame_rate",
        "predict_split",
        "allow_missing",
        "stated",
    ):
        assert getattr(data, name) == getattr(default, name)
    assert data.noise != default.noise == FeatureNoise(0)
