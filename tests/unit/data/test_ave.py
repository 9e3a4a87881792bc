import json
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader

from avel.batch import collate_clips
from avel.data.ave import AVE
from avel.data.module import LoaderOptions
from avel.errors import UserError
from tests.unit.data.ave_files import (
    AUDIO_DIM,
    CLASSES,
    FEATURES,
    HEIGHT,
    LABELS,
    LINES,
    ORDERS,
    REAL,
    SNIPPETS,
    VIDEOS,
    VISUAL_DIM,
    WIDTH,
    random,
    write_ave,
    write_h5,
)

REPOSITORY = Path(__file__).parents[3]
FACTS = REAL.parents[1] / "reference_cases" / "ave_dataset.json"

# The tiny training and test splits share a video, as the real ones do: said once, see the test of that.
pytestmark = pytest.mark.filterwarnings("ignore:.*video ids are both in the training and in the test split")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_ave(tmp_path_factory.mktemp("data") / "ave")


def ids(*rows):
    return [VIDEOS[row] for row in rows]


def test_facts(root):
    facts = AVE(root=root).facts()
    assert (facts.num_classes, facts.visual_dim, facts.audio_dim) == (3, VISUAL_DIM, AUDIO_DIM)
    assert (facts.positions, facts.snippets) == (HEIGHT * WIDTH, SNIPPETS)
    assert facts.videos == {"train": 6, "validation": 2, "test": 4}
    assert AVE(root=root).class_names == ["Bark", "Bell, church", "Flute"]


def test_facts_of_vectors_and_of_weak_supervision(root):
    facts = AVE(root=root, visual="vectors", supervision="weak").facts()
    assert (facts.positions, facts.visual_dim) == (1, VISUAL_DIM)
    assert facts.videos == {"train": 8, "validation": 2, "test": 4}


@pytest.mark.parametrize(("splits", "ending"), [("localization", ""), ("matching", "_match")])
def test_splits_are_those_of_the_order_files(root, splits, ending):
    data = AVE(root=root, splits=splits)
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        rows = ORDERS[f"{name}_order{ending}.h5"]
        assert data.videos(split) == ids(*rows)
        assert data.durations(split) == dict.fromkeys(ids(*rows), 4.0)
        labels = data.snippet_labels(split)
        assert list(labels) == ids(*rows)
        assert torch.stack(list(labels.values())).tolist() == LABELS[rows].tolist()
        assert [clip.video for clip in data.dataset(split, training=False)] == ids(*rows)


def test_batches_of_evaluation_are_whole_videos_in_order(root):
    data = AVE(root=root, loader=LoaderOptions(eval_batch_size=3))
    data.setup("test")
    batches = list(data.test_dataloader())
    rows = ORDERS["test_order.h5"]
    assert [batch.videos for batch in batches] == [ids(*rows[:3]), ids(*rows[3:])]
    first = batches[0]
    assert first.visual.dtype == first.audio.dtype == torch.float32
    torch.testing.assert_close(first.visual, torch.from_numpy(FEATURES["visual_feature.h5"][rows[:3]]).float())
    torch.testing.assert_close(first.audio, torch.from_numpy(FEATURES["audio_feature.h5"][rows[:3]]).float())
    assert first.labels.tolist() == LABELS[rows[:3]].tolist()
    assert first.video_labels.tolist() == CLASSES[rows[:3]].tolist()


def test_targets_are_the_annotated_events(root):
    data = AVE(root=root)
    targets = data.targets("train")
    assert list(targets) == ids(*ORDERS["train_order.h5"])
    assert targets["b"]["video_id"] == "b"
    assert targets["b"]["segments"].tolist() == [[1.0, 3.0]]
    assert targets["f"]["labels"].tolist() == [1]
    assert targets["c"]["segments"].shape == (0, 2)
    assert targets["c"]["labels"].shape == (0,)
    for target in targets.values():
        assert (target["segments"].dtype, target["labels"].dtype) == (torch.float64, torch.int64)
    assert data.tiou_grid == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9))


def test_a_video_without_event_keeps_its_class(root):
    clip = AVE(root=root).dataset("train", training=True)[2]
    assert (clip.video, clip.video_label, clip.labels.tolist()) == ("c", 0, [3, 3, 3, 3])


def test_weak_training_ends_with_the_background_only_videos(root):
    full, weak = AVE(root=root), AVE(root=root, supervision="weak")
    assert weak.videos("train") == [*full.videos("train"), "background_000", "background_001"]
    assert weak.videos("validation") == full.videos("validation")
    assert weak.videos("test") == full.videos("test")
    clip = weak.dataset("train", training=True)[7]
    assert (clip.video, clip.video_label, clip.labels.tolist()) == ("background_001", 3, [3, 3, 3, 3])
    torch.testing.assert_close(clip.visual, torch.from_numpy(FEATURES["visual_feature_noisy.h5"][1]).float())
    torch.testing.assert_close(clip.audio, torch.from_numpy(FEATURES["audio_feature_noisy.h5"][1]).float())
    assert weak.targets("train")["background_000"]["segments"].shape == (0, 2)
    assert weak.durations("train")["background_000"] == 4.0


@pytest.mark.parametrize("supervision", ["full", "weak"])
def test_vectors_come_from_their_file(root, supervision):
    data = AVE(root=root, visual="vectors", supervision=supervision)
    (batch,) = data.test_dataloader()
    expected = torch.from_numpy(FEATURES["visual_feature_vec.h5"][ORDERS["test_order.h5"]]).float()
    torch.testing.assert_close(batch.visual, expected)
    if supervision == "weak":  # of these, maps alone are published
        clip = data.dataset("train", training=True)[6]
        maps = torch.from_numpy(FEATURES["visual_feature_noisy.h5"][0]).float()
        torch.testing.assert_close(clip.visual, maps.mean(dim=(1, 2)))


def test_without_their_file_vectors_are_averaged_maps_which_is_said_once(tmp_path):
    root = write_ave(tmp_path, leave_out=["visual_feature_vec.h5"])
    data = AVE(root=root, visual="vectors", drop_leaked=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data.setup("fit")
        data.setup("test")
        (batch,) = data.test_dataloader()
    (warning,) = caught
    expected = f"{root}/visual_feature_vec.h5: no such file: the maps of visual_feature.h5 are averaged on read"
    assert str(warning.message) == expected
    maps = torch.from_numpy(FEATURES["visual_feature.h5"][ORDERS["test_order.h5"]]).float()
    torch.testing.assert_close(batch.visual, maps.mean(dim=(2, 3)))
    assert data.facts().positions == 1


def test_training_on_single_snippets_and_evaluation_on_videos(root):
    loader = LoaderOptions(batch_size=6, eval_batch_size=4)
    data = AVE(root=root, splits="matching", visual="vectors", single_snippets=True, loader=loader)
    batches = list(data.train_dataloader())
    assert [batch.visual.shape for batch in batches] == [(6, 1, VISUAL_DIM)] * 4
    videos, labels = sum((batch.videos for batch in batches), []), torch.cat([batch.labels for batch in batches])
    drawn = sorted(zip(videos, labels.flatten().tolist(), strict=True))
    rows = ORDERS["train_order_match.h5"]
    assert drawn == sorted((VIDEOS[row], label) for row in rows for label in LABELS[row])
    (batch,) = data.test_dataloader()
    assert batch.visual.shape == (4, SNIPPETS, VISUAL_DIM)


def test_ids_in_training_and_test_are_counted_once(root):
    data = AVE(root=root)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data.facts()
        data.setup("fit")
        data.setup("test")
    (warning,) = caught
    assert str(warning.message) == (
        f"{root}: 1 video ids are both in the training and in the test split (first: 'a'):"
        " data.drop_leaked=true leaves them out of training"
    )


def test_dropping_leaked_videos_shortens_the_training_split_alone(root):
    data = AVE(root=root, drop_leaked=True, supervision="weak")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert data.facts().videos == {"train": 6, "validation": 2, "test": 4}
    assert data.videos("train") == [*ids(2, 4, 6, 8), "background_000", "background_001"]
    assert data.videos("validation") == ids(3, 9)
    assert data.videos("test") == ids(5, 7, 10, 11)


def test_places_are_given_where_a_file_has_them(tmp_path):
    root = write_ave(tmp_path)
    assert AVE(root=root).places("test") == {}
    places = random(5, len(LINES), SNIPPETS, HEIGHT, WIDTH) > 0
    write_h5(root / "places.h5", places.astype(np.uint8), key="places")
    data = AVE(root=root, supervision="weak")
    rows = ORDERS["test_order.h5"]
    assert list(data.places("test")) == ids(*rows)
    assert torch.equal(torch.stack(list(data.places("test").values())), torch.from_numpy(places[rows]))
    assert list(data.places("train")) == ids(*ORDERS["train_order.h5"])
    assert AVE(root=root, visual="vectors").places("test") == {}
    write_h5(root / "places.h5", places[:, :, 1:].astype(np.uint8), key="places")
    with pytest.raises(UserError, match=r"places.h5: 'places': must have the shape \(12 .* 2 height, 3 width\)"):
        AVE(root=root).setup("test")


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_do_not_change_the_batches(root, context):
    dataset = AVE(root=root, supervision="weak", visual="vectors").dataset("train", training=True)
    expected = list(DataLoader(dataset, batch_size=3, collate_fn=collate_clips))  # opens the files before workers start
    assert len(expected) == 3
    for workers in (1, 2):
        options = {"num_workers": workers, "multiprocessing_context": context}
        batches = list(DataLoader(dataset, batch_size=3, collate_fn=collate_clips, **options))
        for batch, other in zip(expected, batches, strict=True):
            assert batch.videos == other.videos
            for name in ("visual", "audio", "labels", "video_labels"):
                assert torch.equal(getattr(batch, name), getattr(other, name))


# What may be wrong


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"supervision": "none"}, "data.supervision=none: unknown, choose one of full, weak"),
        ({"splits": "mine"}, "data.splits=mine: unknown, choose one of localization, matching"),
        ({"visual": "video"}, "data.visual=video: unknown, choose one of maps, vectors"),
        ({"predict_split": "dev"}, "data.predict_split=dev: unknown, choose one of train, validation, test"),
        ({"selection_split": "train"}, "data.selection_split=train: unknown, choose one of validation, test"),
    ],
)
def test_unknown_choices_are_refused(root, options, message):
    with pytest.raises(UserError, match=message):
        AVE(root=root, **options)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"num_classes": 28}, "data.num_classes=28, but .*Annotations.txt says 3: set data.num_classes=3, or null"),
        ({"visual_dim": 512}, "data.visual_dim=512, but .*visual_feature.h5 says 5: set data.visual_dim=5, or null"),
        ({"audio_dim": 128}, "data.audio_dim=128, but .*audio_feature.h5 says 6: set data.audio_dim=6, or null"),
        ({"positions": 49}, "data.positions=49, but .*visual_feature.h5 says 6: set data.positions=6, or null"),
        ({"class_names": ["Bark"]}, "line 5: unknown class 'Bell, church' .known by data.class_names: Bark"),
    ],
)
def test_stated_facts_are_checked_at_start(root, stated, message):
    with pytest.raises(UserError, match=message):
        AVE(root=root, **stated).setup("fit")
    right = AVE(root=root, num_classes=3, visual_dim=5, audio_dim=6, positions=6)
    assert right.facts().num_classes == 3


@pytest.mark.parametrize("name", ["Annotations.txt", *ORDERS, *FEATURES])
def test_missing_files_say_where_they_come_from(tmp_path, name):
    root = write_ave(tmp_path, leave_out=[name, *(["visual_feature.h5"] if "vec" in name else [])])
    data = AVE(
        root=root,
        supervision="weak" if "noisy" in name else "full",
        splits="matching" if "match" in name else "localization",
        visual="vectors" if "vec" in name else "maps",
    )
    with pytest.raises(UserError) as caught:
        data.facts()
    message = str(caught.value)
    assert message.startswith(f"{root / name.replace('_vec', '')}: no such file\n")
    assert "YapengTian/AVE-ECCV18" in message
    assert message.endswith("python scripts/make_synthetic.py ave --out DIR, then add paths.data_dir=DIR")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "visual_feature.h5",
            random(0, 12, 4, 5),
            r"'avadataset': must have the shape \(12 videos, 4 snippets, height, width, channels\), has \(12, 4, 5\)",
        ),
        ("visual_feature.h5", random(0, 11, 4, 2, 3, 5), r"\(12 videos, .*\), has \(11, 4, 2, 3, 5\)"),
        ("audio_feature.h5", random(0, 12, 24), r"must have the shape \(videos, snippets, channels\), has \(12, 24\)"),
        ("audio_feature_noisy.h5", random(0, 2, 4, 7), r"\(videos, 4 snippets, 6 channels\), has \(2, 4, 7\)"),
        ("visual_feature_noisy.h5", random(0, 3, 4, 2, 3, 5), r"\(2 videos, .*\), has \(3, 4, 2, 3, 5\)"),
        (
            "visual_feature_noisy.h5",
            random(0, 2, 4, 3, 3, 5),
            r"2 height, 3 width, 5 channels\), has \(2, 4, 3, 3, 5\)",
        ),
    ],
)
def test_features_of_a_wrong_shape_are_refused_at_start(tmp_path, name, values, message):
    root = write_ave(tmp_path)
    write_h5(root / name, values)
    with pytest.raises(UserError, match=rf"{name}: .*{message}"):
        AVE(root=root, supervision="weak").setup("fit")


@pytest.mark.parametrize("name", [*FEATURES, *ORDERS])
def test_files_without_their_key_are_refused_at_start(tmp_path, name):
    root = write_ave(tmp_path)
    write_h5(root / name, random(0, 2), key="other")
    splits, visual = "matching" if "match" in name else "localization", "vectors" if "vec" in name else "maps"
    with pytest.raises(UserError, match=rf"{name}: '(avadataset|order)': no such array, the file holds \['other'\]"):
        AVE(root=root, supervision="weak", splits=splits, visual=visual).setup("fit")


def test_annotations_and_features_that_do_not_belong_together_are_refused(tmp_path):
    root = write_ave(tmp_path)
    (root / "Annotations.txt").write_text("\n".join(LINES[:11]))
    with pytest.raises(
        UserError, match=r"Annotations.txt: has 11 lines, but .*audio_feature.h5 12 rows: use files that"
    ):
        AVE(root=root).facts()


@pytest.mark.parametrize("name", ["labels.h5", "labels_noisy.h5"])
def test_labels_that_differ_are_refused_at_start(tmp_path, name):
    root = write_ave(tmp_path)
    with h5py.File(root / name, "r+") as file:
        file["avadataset"][0, ..., 3] = 0.5
    with pytest.raises(UserError, match=rf"{name}, row 0, .*column 3: is 0.5, but "):
        AVE(root=root, supervision="weak").setup("test")


def test_orders_out_of_range_are_refused_at_start(tmp_path):
    root = write_ave(tmp_path)
    write_h5(root / "val_order.h5", [0, 12], key="order")
    with pytest.raises(UserError, match="val_order.h5: value 12 at position 1 is out of range"):
        AVE(root=root).setup("fit")


@pytest.mark.parametrize("name", ["visual_feature.h5", "audio_feature.h5"])
def test_nan_in_features_is_told_when_it_is_read(tmp_path, name):
    root = write_ave(tmp_path)
    with h5py.File(root / name, "r+") as file:
        file["avadataset"][10, 2, 1] = np.nan
    data = AVE(root=root)
    data.setup("test")
    list(data.val_dataloader())
    with pytest.raises(UserError) as caught:
        list(data.test_dataloader())
    assert str(caught.value) == (
        f"{root / name}: 'avadataset', row 10: holds NaN or infinite values: extract or download this file again"
    )


def test_the_yamls_name_the_arguments_and_their_defaults():
    config, weak, matching = (
        yaml.safe_load((REPOSITORY / "conf" / "data" / f"{name}.yaml").read_text())
        for name in ("ave", "ave_weak", "ave_matching")
    )
    assert config.pop("_target_") == "avel.data.ave.AVE"
    loader = {k: v for k, v in config.pop("loader").items() if k != "_target_"}
    assert (loader.pop("order"), loader.pop("drop_last")) == ("${protocol.order}", "${protocol.drop_last}")
    assert LoaderOptions(**loader) == LoaderOptions(batch_size=64, eval_batch_size=64, num_workers=2)
    assert config.pop("selection_split") == "${protocol.selection_split}"
    data = AVE(**config)
    assert vars(AVE(root=data.root)).keys() == vars(data).keys()
    plain = AVE(root=data.root)
    for name in ("supervision", "splits", "visual", "single_snippets", "drop_leaked", "stated", "predict_split"):
        assert getattr(data, name) == getattr(plain, name)
    for changes in (weak, matching):
        assert changes.pop("defaults") == ["ave@_here_"]
        changes.pop("loader", None)
        AVE(**config | changes)


# The real split and label files, beside features that say nothing


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    if not (REAL / "Annotations.txt").exists() or not FACTS.exists():
        pytest.skip(f"the real annotation files of AVE are not at {REAL}")
    root = tmp_path_factory.mktemp("real")
    for path in REAL.iterdir():
        (root / path.name).symlink_to(path)
    shapes = {"visual_feature": (4143, 10, 7, 7, 512), "visual_feature_noisy": (178, 10, 7, 7, 512)}
    for name, shape in (shapes | {"audio_feature": (4143, 10, 128)}).items():
        with h5py.File(root / f"{name}.h5", "w") as file:  # what is not written takes no place
            file.create_dataset("avadataset", shape, dtype="f8")[-1] = 0
    return root, json.loads(FACTS.read_text())


@pytest.mark.parametrize(("splits", "family"), [("localization", "splits"), ("matching", "matching_splits")])
def test_real_splits_have_their_sizes(real, splits, family):
    root, facts = real
    found = AVE(root=root, splits=splits, supervision="weak").facts()
    sizes = {name: facts[family][name]["size"] for name in ("train", "val", "test")}
    assert found.videos == {
        "train": sizes["train"] + 178,
        "validation": sizes["val"],
        "test": sizes["test"],
    }
    assert (found.num_classes, found.visual_dim, found.audio_dim, found.positions) == (28, 512, 128, 49)


def test_real_leaks_are_counted_and_left_out(real):
    root, facts = real
    leaked = set(facts["duplicate_video_ids"]["ids_in_train_and_test"])
    data = AVE(root=root)
    with pytest.warns(UserWarning, match="8 video ids are both in the training and in the test split"):
        data.setup("fit")
    without = AVE(root=root, drop_leaked=True)
    assert without.videos("test") == data.videos("test")
    assert without.videos("validation") == data.videos("validation")
    dropped = {video.partition("~")[0] for video in set(data.videos("train")) - set(without.videos("train"))}
    assert leaked < dropped
    combinations = facts["duplicate_video_ids"]["split_combinations"]
    assert len(dropped) == combinations["test+train"] + combinations["train+val"]
    assert without.facts().videos["train"] == len(without.videos("train")) < 3339


def test_the_real_test_split_is_background_in_18_of_100_seconds(real):
    root, _ = real
    labels = torch.stack(list(AVE(root=root).snippet_labels("test").values()))
    assert (labels == 28).double().mean().item() == pytest.approx(0.1779, abs=5e-5)


def test_the_real_video_without_event_is_trained_as_background(real):
    root, facts = real
    data = AVE(root=root)
    clip = data.dataset("train", training=True)[63]
    assert clip.video == facts["zero_length_event"]["video"]
    assert (clip.video_label, clip.labels.tolist()) == (0, [28] * 10)
    assert data.targets("train")[clip.video]["segments"].shape == (0, 2)
