import pytest

from avel.batch import TimeGrid
from avel.data.manifest import read_manifest
from avel.errors import UserError
from tests.unit.data.files import write_manifest


def test_it_says_what_the_files_are(tmp_path):
    family = read_manifest(write_manifest(tmp_path, visual=["_rgb.npy", "_flow.npy"], encoder={"name": "any"}))
    assert (family.visual, family.audio, family.prefix) == (("_rgb.npy", "_flow.npy"), ("_a.npy",), "")
    assert family.grid == TimeGrid(fps=8, stride=4, window=8)
    assert tmp_path / family.folder == tmp_path
    family = read_manifest(write_manifest(tmp_path, visual=[".npy"], audio=[], prefix="v_"))
    assert (family.visual, family.audio, family.prefix) == ((".npy",), (), "v_")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"visual": None}, r'"visual" is None, must be a list of endings of \.npy files, for example\n\{"visual"'),
        ({"audio": "_a.npy"}, "\"audio\" is '_a.npy', must be a list of endings"),
        ({"audio": ["_a.h5"]}, r'"audio" is \[.*\], must be a list of endings'),
        ({"audio": [3]}, r'"audio" is \[3\], must be a list of endings'),
        ({"visual": []}, '"visual" is empty: without pictures, repeat "audio" there and set data.modality=audio'),
        ({"fps": None}, '"fps" is None, must be a positive number'),
        ({"stride": 0}, '"stride" is 0, must be a positive number'),
        ({"window": True}, '"window" is True, must be a positive number'),
        ({"window": float("inf")}, '"window" is inf, must be a positive number'),
        ({"prefix": 3}, '"prefix" is 3, must be a string'),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=r"manifest\.json: " + message):
        read_manifest(write_manifest(tmp_path, **changes))


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"manifest\.json: no such file: say in it how the features were made"):
        read_manifest(tmp_path)
    with pytest.raises(UserError, match=r"nowhere: no such folder of features \(data\.feature_dir\)"):
        read_manifest(tmp_path / "nowhere")
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(UserError, match=r"manifest\.json: must be a JSON object, for example"):
        read_manifest(tmp_path)
