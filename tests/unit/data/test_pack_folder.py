import json
import shutil

import numpy as np
import pytest
import torch

from avel.data.custom import CustomData
from avel.data.families import FAMILIES
from avel.data.features import FeatureFolder
from avel.data.manifest import read_manifest
from avel.data.module import LoaderOptions
from avel.data.pack_folder import check_packing, open_packed, pack_extracted, pack_folder
from avel.errors import UserError
from tests.unit.data.files import write_features, write_own_features, write_rows

LENGTHS = {"a": 3, "b": 5}


@pytest.fixture
def folder(tmp_path):
    return write_own_features(tmp_path / "own", LENGTHS)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_packed_and_stays_as_it_is(folder, tmp_path):
    before = names(folder)
    (folder / "c_v.npy").write_bytes(b"half")
    packing, left_out = pack_folder(folder, tmp_path / "x.h5")
    assert (packing.videos, left_out) == (2, ["c"])
    assert names(folder) == sorted([*before, "c_v.npy"])


def test_published_features_need_no_manifest(tmp_path):
    write_features(tmp_path / "f", "v1", visual=np.ones((7, 3), np.float32), audio=np.ones((5, 2), np.float32))
    with pytest.raises(UserError, match=r"manifest\.json: no such file: write what .*, or say data=NAME"):
        pack_folder(tmp_path / "f", tmp_path / "f" / "features.h5")
    pack_folder(tmp_path / "f", tmp_path / "f" / "features.h5", FAMILIES["one_peace"])
    folder = FeatureFolder(tmp_path / "f", FAMILIES["one_peace"])
    assert folder.place == tmp_path / "f" / "features.h5"
    assert folder.load("v1")[0].shape == (5, 3)
    assert read_manifest(tmp_path / "f" / "features.h5").grid == FAMILIES["one_peace"].grid


def test_what_was_packed_of_other_features_is_replaced_as_messages_say(folder):
    pack_folder(folder, folder / "features.h5")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"fps": 3}))
    with pytest.raises(UserError, match=r"pack them again \(scripts/pack_features\.py --force\)"):
        read_manifest(folder)
    pack_folder(folder, folder / "features.h5", force=True)
    assert read_manifest(folder / "features.h5").grid.fps == 3


def test_what_was_packed_is_not_replaced_unasked(folder, tmp_path):
    pack_folder(folder, tmp_path / "x.h5")
    with pytest.raises(UserError, match=r"x\.h5: is there already; --force replaces it"):
        pack_folder(folder, tmp_path / "x.h5")
    pack_folder(folder, tmp_path / "x.h5", force=True)


@pytest.mark.parametrize("name", ["x.hdf", "own/x.h5"])
def test_a_file_that_nobody_would_find_is_not_written(folder, tmp_path, name):
    with pytest.raises(UserError, match=r"must end with \.h5, and in the folder of the features be called"):
        pack_folder(folder, tmp_path / name)


def test_an_empty_folder_is_named(tmp_path, folder):
    for path in folder.glob("*.npy"):
        path.unlink()
    with pytest.raises(UserError, match=r"own: holds no features to pack, looked for feature files \(\*_v\.npy and"):
        pack_folder(folder, tmp_path / "x.h5")


def test_a_damaged_file_is_named(folder, tmp_path):
    array = np.load(folder / "b_v.npy")
    array[0, 0] = np.nan
    np.save(folder / "b_v.npy", array)
    with pytest.raises(UserError, match=r"b_v\.npy: holds NaN"):
        pack_folder(folder, tmp_path / "x.h5")
    assert names(tmp_path) == ["own"]


@pytest.mark.filterwarnings("ignore:.*drawn by a hash")
@pytest.mark.parametrize("workers", [0, 2])
def test_training_sees_the_same_whatever_it_reads(tmp_path, workers):
    videos = [f"v{number:02d}" for number in range(12)]
    folder = write_own_features(tmp_path / "own", {video: 20 + number for number, video in enumerate(videos)})
    pack_folder(folder, tmp_path / "x.h5")
    table = write_rows(tmp_path / "own.csv", *[f"{video},2,4,bark" for video in videos])
    loader = LoaderOptions(batch_size=4, num_workers=workers)
    one, other = (CustomData(annotations=table, feature_dir=f, loader=loader) for f in (folder, tmp_path / "x.h5"))
    for a, b in zip(one.train_dataloader(), other.train_dataloader(), strict=True):
        assert a.videos == b.videos
        assert torch.equal(a.visual, b.visual)
        assert torch.equal(a.audio, b.audio)


# What is being extracted


def record(folder, *videos):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": dict.fromkeys(videos, {})}))


def add(folder, lengths, *videos):
    """Extract further videos; say that the folder has `videos`."""
    write_own_features(folder, lengths)
    record(folder, *videos)


def test_extracted_features_move_into_the_packed_file(folder):
    expected = np.load(folder / "b_v.npy")
    record(folder, "a", "b")
    assert pack_extracted(folder).videos == 2
    assert names(folder) == ["features.h5", "manifest.json"]
    assert np.array_equal(open_packed(folder).read("b")[0], expected)
    assert pack_extracted(folder) is None


def test_later_ones_join_them_and_replace_them(folder):
    record(folder, "a", "b")
    pack_extracted(folder, dtype="float16")
    add(folder, {"b": 7, "c": 2}, "a", "b", "c")
    assert pack_extracted(folder).dtype == "float16"
    packed = open_packed(folder)
    assert [packed.shape(video).length for video in "abc"] == [3, 7, 2]
    assert names(folder) == ["features.h5", "manifest.json"]


def test_a_video_that_lost_its_features_leaves(folder):
    record(folder, "a", "b")
    pack_extracted(folder)
    record(folder, "a")
    assert pack_extracted(folder).videos == 1
    assert open_packed(folder).videos() == ["a"]


def test_a_run_that_was_killed_before_it_removed_the_files_does_no_harm(folder, tmp_path):
    record(folder, "a", "b")
    shutil.copytree(folder, tmp_path / "before")
    pack_extracted(folder)
    for path in (tmp_path / "before").glob("a_*.npy"):  # b's are gone already
        shutil.copy(path, folder)
    assert pack_extracted(folder).videos == 2
    assert names(folder) == ["features.h5", "manifest.json"]


def test_packing_again_loses_no_video_that_is_in_the_packed_file_alone(folder, tmp_path):
    record(folder, "a", "b")
    pack_extracted(folder)
    before = (folder / "features.h5").read_bytes()
    add(folder, {"c": 2}, "a", "b", "c")
    with pytest.raises(UserError, match=r"features\.h5: 2 videos in it have no .* files .*: a, b\. .* packed=true"):
        pack_folder(folder, folder / "features.h5", force=True)
    assert (folder / "features.h5").read_bytes() == before
    (folder / "features.h5").write_bytes(b"damaged")
    assert pack_folder(folder, folder / "features.h5", force=True)[0].videos == 1


def test_files_without_a_record_stay_where_they_are(folder):
    record(folder, "a")
    assert pack_extracted(folder).videos == 1
    assert names(folder) == ["b_a.npy", "b_v.npy", "features.h5", "manifest.json"]
    assert pack_extracted(folder) is None


def test_nothing_extracted_is_nothing_to_pack(folder):
    record(folder)
    assert pack_extracted(folder) is None


def test_it_is_looked_before_extraction_whether_packing_will_do(folder):
    assert check(folder) == []
    record(folder, "a", "b")
    pack_extracted(folder)
    assert check(folder, dtype="float32") == ["a", "b"]
    with pytest.raises(UserError, match=r"features\.h5: the features of this folder are packed: .* packed=true"):
        check(folder, packed=False)
    pack_extracted(folder, dtype="float16")
    assert check(folder, dtype="float16") == ["a", "b"]
    with pytest.raises(UserError, match=r"features\.h5: its values were rounded to float16, which dtype=float32"):
        check(folder, dtype="float32")


def check(folder, packed=True, dtype=None, shapes=((4,), (2,))):
    return check_packing(folder, packed=packed, dtype=dtype, shapes=shapes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"packed": "no"}, "packed=no: must be true or false"),
        ({"dtype": "float8"}, "dtype=float8: unknown"),
        ({"dtype": "float16", "packed": False}, "dtype=float16: is that of a packed file"),
        ({"shapes": [(7, 7, 512), (128,)]}, r"packed=true: .* the encoder makes maps of shape \(7, 7, 512\)"),
    ],
)
def test_what_cannot_be_packed_is_told_before_extraction(folder, options, message):
    with pytest.raises(UserError, match=message):
        check(folder, **options)
