import os

import numpy as np
import pytest
import torch

from avel.batch import TimeGrid
from avel.data.families import FAMILIES, FeatureFamily
from avel.data.feature_reader import Shape
from avel.data.features import FeatureFolder
from avel.data.manifest import read_manifest
from avel.data.npy_folder import NpyFolder
from avel.data.pack_folder import pack_folder
from avel.data.packed import PackedFeatures
from avel.errors import UserError
from tests.unit.data.files import write_features, write_own_features


def ones(length, width, dtype=np.float32):
    return np.ones((length, width), dtype)


@pytest.fixture
def folder(tmp_path):
    return FeatureFolder(tmp_path / "av_features", FAMILIES["one_peace"], hint="ask a friend")


def test_audio_and_visual_are_cut_to_the_shorter(folder):
    write_features(folder.folder, "v1", visual=ones(7, 3), audio=ones(5, 2))
    visual, audio = folder.load("v1")
    assert (visual.shape, audio.shape) == ((5, 3), (5, 2))
    assert visual.dtype == audio.dtype == torch.float32
    assert folder.shape("v1") == Shape(visual_length=7, audio_length=5, visual_dim=3, audio_dim=2)


def test_i3d_joins_rgb_and_flow_in_this_order(tmp_path):
    folder = FeatureFolder(tmp_path, FAMILIES["i3d_vggish"])
    np.save(tmp_path / "v1_rgb.npy", ones(6, 2))
    np.save(tmp_path / "v1_flow.npy", 2 * ones(5, 3))
    np.save(tmp_path / "v1_vggish.npy", ones(8, 1))
    visual, audio = folder.load("v1")
    assert visual.tolist() == [[1, 1, 2, 2, 2]] * 5
    assert audio.shape == (5, 1)
    assert folder.shape("v1") == Shape(visual_length=5, audio_length=8, visual_dim=5, audio_dim=1)


def test_missing_files_are_counted_and_the_hint_is_given(folder):
    write_features(folder.folder, "v1", visual=ones(4, 3), audio=ones(4, 2))
    np.save(folder.folder / "v2_one_peace_audio.npy", ones(4, 2))
    videos = ["v1", "v2", "v3", "v4", "v5"]
    with pytest.raises(UserError) as caught:
        folder.require(videos)
    message = str(caught.value)
    assert f"{folder.folder}: 4 of 5 videos lack feature files" in message
    assert "*_one_peace_video_finetune.npy and *_one_peace_audio.npy" in message
    assert "v2, v3, v4, …" in message
    assert message.endswith("\nask a friend")


def test_missing_files_may_be_allowed(folder):
    write_features(folder.folder, "v2", visual=ones(4, 3), audio=ones(4, 2))
    with pytest.warns(UserWarning, match="2 of 3 videos lack feature files .*: v1, v3; left out"):
        assert folder.require(["v1", "v2", "v3"], allow_missing=True) == ["v2"]
    assert folder.first(["v1", "v2", "v3"]) == "v2"


def test_a_missing_folder_is_never_allowed(folder):
    with pytest.raises(UserError, match="2 of 2 videos lack feature files"):
        folder.require(["v1", "v2"], allow_missing=True)
    with pytest.raises(UserError, match="2 of 2 videos lack feature files"):
        folder.first(["v1", "v2"])


def test_a_file_of_another_width_is_named(folder):
    write_features(folder.folder, "v1", visual=ones(4, 3), audio=ones(4, 2))
    write_features(folder.folder, "v2", visual=ones(4, 3), audio=ones(4, 9))
    folder.check(["v1"], visual_dim=3, audio_dim=2)
    with pytest.raises(UserError, match="of video 'v2' .*v2_one_peace_audio.npy.* are 3 and 9 wide, of others 3 and 2"):
        folder.check(["v1", "v2"], visual_dim=3, audio_dim=2)


VISUAL_ONLY = FeatureFamily(
    visual=(".npy",), audio=(), grid=TimeGrid(fps=30, stride=4, window=16), max_length=8, prefix="v_", native_fps=True
)


def test_a_family_may_be_visual_only_and_have_a_prefix(tmp_path):
    folder = FeatureFolder(tmp_path, VISUAL_ONLY)
    np.save(tmp_path / "v_a.npy", ones(5, 3))
    visual, audio = folder.load("a")
    assert (visual.shape, audio.shape) == ((5, 3), (5, 0))
    assert folder.shape("a") == Shape(visual_length=5, audio_length=5, visual_dim=3, audio_dim=0)
    folder.check(["a"], visual_dim=3, audio_dim=0)
    with pytest.raises(UserError, match=r"1 of 2 videos lack feature files \(v_\*\.npy\): b"):
        folder.require(["a", "b"])


@pytest.fixture
def own(tmp_path):
    """Two videos as `.npy` files and packed beside them."""
    folder = write_own_features(tmp_path / "own", {"v1": 4, "v2": 5})
    pack_folder(folder, folder / "features.h5")
    return folder


def opened(place):
    return FeatureFolder(place, read_manifest(place))


def test_a_packed_file_is_found_in_a_folder_and_by_its_name(own, tmp_path, recwarn):
    assert isinstance(opened(own).reader, PackedFeatures)
    (own / "features.h5").rename(tmp_path / "any.h5")
    assert isinstance(opened(own).reader, NpyFolder)
    one, other = opened(own), opened(tmp_path / "any.h5")
    assert sorted(one.videos()) == sorted(other.videos()) == ["v1", "v2"]
    for video in one.videos():
        assert one.shape(video) == other.shape(video)
        assert all(torch.equal(a, b) for a, b in zip(one.load(video), other.load(video), strict=True))
    assert other.place == tmp_path / "any.h5"
    assert not recwarn.list


def test_what_is_not_in_a_packed_file_is_missing_though_it_lies_beside_it(own):
    np.save(own / "v3_v.npy", ones(4, 3))
    np.save(own / "v3_a.npy", ones(4, 2))
    for name in ("v3_v.npy", "v3_a.npy"):
        os.utime(own / name, ns=(1, 1))
    with pytest.raises(UserError, match=r"features\.h5: 1 of 2 videos lack features: v3"):
        opened(own).require(["v1", "v3"])


def test_feature_files_that_are_newer_than_the_packed_file_are_told_of(own):
    packed = (own / "features.h5").stat().st_mtime_ns
    os.utime(own / "v2_a.npy", ns=(packed + 1, packed + 1))
    with pytest.warns(UserWarning, match=r"is read, but 1 feature files beside it are newer \(first: v2_a.npy\)"):
        opened(own).load("v1")


def test_a_packed_file_of_other_features_is_passed_over(own):
    folder = FeatureFolder(own, FAMILIES["one_peace"])
    with pytest.raises(UserError, match=r"features.h5 there holds others: \*_v.npy and \*_a.npy\): v1"):
        folder.require(["v1"])
    write_features(own, "v1", visual=ones(6, 7), audio=ones(6, 2))
    assert folder.shape("v1").visual_dim == 7


def test_a_width_of_a_packed_video_that_is_another_is_named(own):
    with pytest.raises(UserError, match=r"features\.h5: .* 'v2' \(number 1\) are 3 and 2 wide, of others 3 and 9"):
        opened(own).check(["v2"], visual_dim=3, audio_dim=9)
