import io

import numpy as np
import pytest
import torch

from avel.batch import TimeGrid
from avel.data.features import FAMILIES, FeatureFamily, FeatureFolder, Shape, read_npy, read_npy_shape
from avel.errors import UserError
from tests.unit.data.files import write_features


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def ones(length, width, dtype=np.float32):
    return np.ones((length, width), dtype)


@pytest.fixture
def folder(tmp_path):
    return FeatureFolder(tmp_path / "av_features", FAMILIES["one_peace"], hint="ask a friend")


BAD_FILES = {
    "no file": (None, "cannot be read"),
    "empty file": (b"", "cannot be read"),
    "other content": (b"<html>404</html>", "cannot be read"),
    "pickle": (npy(np.array([{}], dtype=object), allow_pickle=True), "cannot be read|must be a float matrix"),
    "damaged header": (npy(ones(3, 2)).replace(b"'shape': (3, 2)", b"'shape': (3(2)"), "cannot be read"),
    "one dimension": (npy(np.ones(5)), "must be a float matrix"),
    "three dimensions": (npy(np.ones((1, 5, 2))), "must be a float matrix"),
    "integers": (npy(np.ones((5, 2), dtype=np.int64)), "must be a float matrix"),
    "no snippets": (npy(ones(0, 4)), "is empty"),
    "no channels": (npy(ones(4, 0)), "is empty"),
    "cut off": (npy(ones(5, 2))[:-1], "cannot be read|is cut off, 1 bytes are missing"),
}


@pytest.mark.parametrize("read", [read_npy, read_npy_shape])
@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_named(tmp_path, read, content, message):
    path = tmp_path / "v1_one_peace_audio.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_no_numbers_are_refused(tmp_path, value):
    array = ones(4, 3, np.float64)
    array[2, 1] = value
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=r"a\.npy: holds NaN or infinite values"):
        read_npy(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_float_is_read_as_float32(tmp_path, dtype, order):
    array = np.arange(6).reshape(3, 2).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    read = read_npy(tmp_path / "a.npy")
    assert read.dtype == np.float32
    assert read.tolist() == array.tolist()
    assert read_npy_shape(tmp_path / "a.npy") == (3, 2)


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
    (folder.folder / "v2_one_peace_audio.npy").write_bytes(npy(ones(4, 2)))
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


def test_lengths_that_differ_too_much_are_counted(folder, recwarn):
    for video, length in {"v1": 100, "v2": 96, "v3": 60, "v4": 140}.items():
        write_features(folder.folder, video, visual=ones(100, 3), audio=ones(length, 2))
    folder.check(["v1", "v2"], visual_dim=3, audio_dim=2)
    assert not recwarn.list
    with pytest.warns(
        UserWarning, match=r"lengths differ in 2 of 4 videos \(first: 'v3', 100 and 60\); cut to the shorter"
    ):
        folder.check(["v1", "v2", "v3", "v4"], visual_dim=3, audio_dim=2)


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


def test_frames_are_counted_at_the_rate_of_the_video_where_the_family_does_so():
    assert VISUAL_ONLY.grid_at(25) == TimeGrid(fps=25, stride=4, window=16)
    assert VISUAL_ONLY.grid_at(None).fps == 30
    assert FAMILIES["one_peace"].grid_at(25).fps == 16
