from pathlib import Path

import pytest
import yaml

from avel.data.activitynet13 import ActivityNet13
from avel.data.desed import DESED
from avel.data.module import LoaderOptions
from avel.data.thumos14 import Thumos14
from avel.data.transforms import RandomCrop
from avel.errors import UserError
from tests.unit.data.files import write_visual_only

CONF = Path(__file__).parents[3] / "conf" / "data"
TRAIN = [f"video_validation_{i:07d}" for i in range(10)]


@pytest.fixture
def root(tmp_path):
    return write_visual_only(tmp_path)


def test_training_videos_are_held_out_for_selection(root):
    data = Thumos14(root=root, held_out=0.3)
    splits = {split: [video.video for video in data.videos(split)] for split in ("train", "validation", "test")}
    assert {split: len(videos) for split, videos in splits.items()} == {"train": 7, "validation": 3, "test": 2}
    assert sorted(splits["train"] + splits["validation"]) == TRAIN
    (batch,) = data.val_dataloader()
    assert batch.videos == splits["validation"]
    assert list(data.targets("validation")) == splits["validation"]


def test_selection_on_the_test_split_trains_on_all(root):
    data = Thumos14(root=root, selection_split="test")
    assert data.facts().videos == {"train": 10, "validation": 0, "test": 2}
    (batch,) = data.val_dataloader()
    assert batch.videos == ["video_test_0000001", "video_test_0000002"]


@pytest.mark.parametrize("options", [{"held_out": 0.0}, {"selection_split": "test", "predict_split": "validation"}])
def test_without_a_validation_split_it_cannot_be_used(root, options):
    data = Thumos14(root=root, **options)
    data.setup("test")
    with pytest.raises(UserError, match=r"no labelled validation split: hold training videos out \(data.held_out=0.1"):
        data.setup("predict" if "predict_split" in options else "fit")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"held_out": 1.0}, "data.held_out=1.0: give a share from 0 to below 1"),
        ({"held_out": -0.1}, "data.held_out=-0.1: give a share from 0 to below 1"),
        ({"modality": "audio"}, "data.modality=audio: the features have none"),
        ({"features": "one_peace"}, "data.features=one_peace: unknown, choose one of i3d"),
        ({"beyond": "cut"}, "data.beyond=cut: unknown, choose one of refuse, clip, keep"),
        ({"audio_dim": -1}, "data.audio_dim=-1: give a whole number from 0 on, or null"),
        ({"visual_dim": 0}, "data.visual_dim=0: give a whole number from 1 on, or null"),
    ],
)
def test_impossible_options_are_refused(root, options, message):
    with pytest.raises(UserError, match=message):
        Thumos14(root=root, **options)


def test_a_list_of_classes_decides_their_numbers(root):
    data = Thumos14(root=root, class_names=["cat meowing", "dog barking"])
    assert data.facts().num_classes == 2
    assert data.class_names == ["cat meowing", "dog barking"]
    assert data.targets("test")["video_test_0000001"]["labels"].tolist() == [1]


def test_any_data_set_may_be_resized(root):
    data = Thumos14(root=root, resize=True, max_length=8, loader=LoaderOptions(batch_size=9))
    (batch,) = data.test_dataloader()
    assert batch.visual.shape == (2, 8, 6)
    (batch,) = data.train_dataloader()
    assert batch.mask.shape[1] <= 8


@pytest.mark.parametrize("reader", [ActivityNet13, DESED, Thumos14])
def test_the_yamls_name_the_arguments_and_their_defaults(reader):
    config = yaml.safe_load((CONF / f"{reader.__name__.lower()}.yaml").read_text())
    assert config.pop("_target_") == f"{reader.__module__}.{reader.__name__}"
    crop, loader = ({k: v for k, v in config.pop(key).items() if k != "_target_"} for key in ("crop", "loader"))
    assert RandomCrop(**crop | {"ratio": tuple(crop["ratio"])}) == reader.training_crop
    assert LoaderOptions(**loader).drop_last
    protocol = {"beyond": "clip", "selection_split": "validation"}
    assert all(config[key].startswith("${protocol.") for key in protocol)
    data, default = reader(**config | protocol), reader(root=config["root"])
    for name in ("features", "modality", "max_length", "reading", "held_out", "predict_split", "allow_missing"):
        assert getattr(data, name) == getattr(default, name)
    assert data.resize == (reader is ActivityNet13)
