import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from avel.data.module import LoaderOptions
from avel.data.transforms import RandomCrop
from avel.data.unav100 import UnAV100
from avel.errors import UserError
from tests.unit.data.files import write_tiny

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("data") / "unav100")


def annotation_file(root):
    return root / "annotations" / "unav100_annotations.json"


def edit(root, change):
    """Change the annotation file of a data set in place."""
    document = json.loads(annotation_file(root).read_text())
    change(document["database"])
    annotation_file(root).write_text(json.dumps(document))


def test_facts(root):
    facts = UnAV100(root=root).facts()
    assert (facts.num_classes, facts.visual_dim, facts.audio_dim) == (3, 6, 4)
    assert facts.max_length == 256
    assert facts.videos == {"train": 9, "validation": 3, "test": 3}


def test_facts_of_the_other_family(tmp_path):
    facts = UnAV100(root=write_tiny(tmp_path, features="i3d_vggish"), features="i3d_vggish").facts()
    assert (facts.visual_dim, facts.audio_dim, facts.max_length) == (6, 4, 224)


def test_samples_carry_annotations_and_grid(root):
    data = UnAV100(root=root)
    database = json.loads(annotation_file(root).read_text())["database"]
    (batch,) = data.test_dataloader()
    assert batch.videos == [video for video, entry in database.items() if entry["subset"] == "test"]
    for i, video in enumerate(batch.videos):
        rows = database[video]["annotations"]
        seconds = batch.grids[i].to_seconds(batch.segments[i, : len(rows)])
        torch.testing.assert_close(seconds, torch.tensor([row["segment"] for row in rows]), rtol=0, atol=1e-5)
        assert batch.labels[i, : len(rows)].tolist() == [row["label_id"] for row in rows]
        steps = np.load(root / "av_features" / f"{video}_one_peace_audio.npy").shape[0]
        assert batch.lengths[i] == steps
        assert batch.durations[i] == pytest.approx(database[video]["duration"])


def test_targets_are_the_annotations(root):
    data = UnAV100(root=root)
    database = json.loads(annotation_file(root).read_text())["database"]
    targets = data.targets("train")
    assert list(targets) == [video for video, entry in database.items() if entry["subset"] == "train"]
    for video, target in targets.items():
        assert target["video_id"] == video
        assert target["segments"].tolist() == [row["segment"] for row in database[video]["annotations"]]
        assert target["segments"].dtype == torch.float64
        assert target["labels"].tolist() == [row["label_id"] for row in database[video]["annotations"]]
    assert data.durations("train") == {video: database[video]["duration"] for video in targets}
    assert data.tiou_grid == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9))


def test_training_crops_and_evaluation_does_not(root):
    data = UnAV100(root=root, max_length=30, loader=LoaderOptions(batch_size=4, eval_batch_size=2))
    assert [(len(batch), batch.mask.shape[1]) for batch in data.train_dataloader()] == [(4, 30), (4, 30)]
    whole = [steps for batch in data.val_dataloader() for steps in batch.lengths.tolist()]
    assert len(whole) == 3
    assert min(whole) > 30


def test_a_video_without_events_is_evaluated(tmp_path):
    root = write_tiny(tmp_path)

    def clear(database):
        database["synthetic_test_00001"]["annotations"] = []

    edit(root, clear)
    data = UnAV100(root=root)
    with pytest.warns(UserWarning, match="1 videos without events kept as negatives"):
        data.setup("test")
    (batch,) = data.test_dataloader()
    assert batch.videos[1] == "synthetic_test_00001"
    assert (batch.labels[1] == -1).all()
    assert data.targets("test")["synthetic_test_00001"]["segments"].shape == (0, 2)


@pytest.mark.parametrize("modality", ["audio", "visual"])
def test_one_modality_keeps_both_widths(root, modality):
    (batch,) = UnAV100(root=root, modality=modality).test_dataloader()
    assert (batch.visual.shape[-1], batch.audio.shape[-1]) == (6, 4)
    assert batch.visual.any() == (modality == "visual")
    assert batch.audio.any() == (modality == "audio")


def test_predict_gives_the_split_that_was_asked_for(root):
    (batch,) = UnAV100(root=root, predict_split="validation").predict_dataloader()
    assert all(video.startswith("synthetic_validation") for video in batch.videos)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "clip"}, "data.features=clip: unknown, choose one of one_peace, i3d_vggish"),
        ({"modality": "smell"}, "data.modality=smell: unknown, choose one of both, audio, visual"),
        ({"predict_split": "dev"}, "data.predict_split=dev: unknown, choose one of train, validation, test"),
    ],
)
def test_unknown_choices_are_refused(root, options, message):
    with pytest.raises(UserError, match=message):
        UnAV100(root=root, **options)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"visual_dim": 2048}, r"data.visual_dim=2048, but the features in .*av_features are 6 wide"),
        ({"audio_dim": 128}, r"data.audio_dim=128, but the features in .*av_features are 4 wide"),
        ({"num_classes": 2}, "unknown label_id 2"),
    ],
)
def test_stated_facts_are_checked_at_start(root, stated, message):
    with pytest.raises(UserError, match=message):
        UnAV100(root=root, **stated).setup("fit")
    assert UnAV100(root=root, visual_dim=6, audio_dim=4, num_classes=3).facts().num_classes == 3


def test_missing_annotations_say_where_they_come_from(tmp_path):
    with pytest.raises(UserError) as caught:
        UnAV100(root=tmp_path / "unav100").facts()
    message = str(caught.value)
    assert message.startswith(f"{annotation_file(tmp_path / 'unav100')}: no such file")
    assert "ttgeng233/UnAV-100" in message
    assert "python scripts/make_synthetic.py unav100 --out DIR, then add paths.data_dir=DIR" in message


def test_missing_features_fail_only_the_stages_that_need_them(tmp_path):
    root = write_tiny(tmp_path)
    (root / "av_features" / "synthetic_train_00003_one_peace_audio.npy").unlink()
    UnAV100(root=root).setup("test")
    with pytest.raises(
        UserError, match="1 of 9 videos lack feature files .*: synthetic_train_00003\n.*allow_missing.*\n.*ttgeng233"
    ):
        UnAV100(root=root).setup("fit")
    data = UnAV100(root=root, allow_missing=True)
    with pytest.warns(UserWarning, match="1 of 9 videos lack feature files"):
        data.setup("fit")
    assert len(data.videos("train")) == 8
    assert "synthetic_train_00003" not in data.durations("train")
    assert "synthetic_train_00003" in data.targets("train")
    assert data.annotated_durations("train").keys() == data.targets("train").keys()


def test_what_was_judged_is_known_when_the_features_have_gone(tmp_path):
    root = write_tiny(tmp_path)
    known = UnAV100(root=root).durations("test")
    (root / "av_features").rename(tmp_path / "elsewhere")
    assert UnAV100(root=root).annotated_durations("test") == known


def test_a_file_that_is_cut_off_is_found_at_start(tmp_path):
    root = write_tiny(tmp_path)
    path = root / "av_features" / "synthetic_validation_00001_one_peace_audio.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match="synthetic_validation_00001_one_peace_audio.npy: is cut off, 4 bytes"):
        UnAV100(root=root).setup("validate")


def test_a_split_without_videos_is_refused(tmp_path):
    root = write_tiny(tmp_path)

    def rename(database):
        for entry in database.values():
            entry["subset"] = "train"

    edit(root, rename)
    with pytest.raises(UserError, match="the annotations have no video of the subset 'test'"):
        UnAV100(root=root).setup("test")


def test_a_batch_larger_than_the_split_is_refused(root):
    with pytest.raises(
        UserError, match=r"data.loader.batch_size=16 is more than a rank's share of the 9 training samples"
    ):
        UnAV100(root=root).train_dataloader()


def test_the_yaml_names_the_arguments_and_their_defaults():
    config = yaml.safe_load((REPOSITORY / "conf" / "data" / "unav100.yaml").read_text())
    assert config.pop("_target_") == "avel.data.unav100.UnAV100"
    crop, loader = ({k: v for k, v in config.pop(key).items() if k != "_target_"} for key in ("crop", "loader"))
    assert RandomCrop(**crop | {"ratio": tuple(crop["ratio"])}) == RandomCrop()
    assert loader.pop("order") == "${protocol.order}"
    assert config.pop("selection_split") == "${protocol.selection_split}"
    assert LoaderOptions(**loader) == LoaderOptions()
    data = UnAV100(**config)
    assert (data.modality, data.predict_split, data.allow_missing) == ("both", "test", False)
