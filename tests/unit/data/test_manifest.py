import pytest

from avel.batch import TimeGrid
from avel.data.families import FAMILIES
from avel.data.manifest import family_of, manifest_of, read_manifest, read_provenance
from avel.data.pack_folder import pack_folder
from avel.errors import UserError
from tests.unit.data.files import write_manifest, write_own_features


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
        ({"prefix": "../"}, "'../' must be a part of a file's name, not lead to another folder"),
        ({"audio": ["/../b.npy"]}, "'/../b.npy' must be a part of a file's name"),
        ({"fps": None}, '"fps" is None, must be a positive number'),
        ({"stride": 0}, '"stride" is 0, must be a positive number'),
        ({"window": True}, '"window" is True, must be a positive number'),
        ({"window": float("inf")}, '"window" is inf, must be a positive number'),
        ({"stride": 10**400}, '"stride" is 10+…, must be a positive number'),
        ({"fps": 1e-320}, '"fps" is 1e-320, must be a positive number'),
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
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(UserError, match=r"manifest\.json: is not a valid manifest: Expecting"):
        read_manifest(tmp_path)


def test_published_features_can_be_described(tmp_path):
    for family in FAMILIES.values():
        described = family_of(manifest_of(family), tmp_path)
        assert (described.names("a"), described.grid) == (family.names("a"), family.grid)


def test_a_packed_file_has_the_manifest_of_what_was_packed(tmp_path):
    folder = write_own_features(tmp_path / "own", {"a": 3})
    write_manifest(folder, encoders={"visual": {"name": "any"}})
    family, provenance = read_manifest(folder), read_provenance(folder)
    pack_folder(folder, folder / "features.h5")
    for place in (folder, folder / "features.h5"):
        assert (read_manifest(place), read_provenance(place)) == (family, provenance)
    (folder / "manifest.json").unlink()
    assert (read_manifest(folder), read_provenance(folder)) == (family, provenance)


def test_a_packed_file_that_was_made_in_another_way_than_its_folder_says_is_refused(tmp_path):
    folder = write_own_features(tmp_path / "own", {"a": 3})
    pack_folder(folder, folder / "features.h5")
    write_manifest(folder, stride=2)
    with pytest.raises(UserError, match=r"features\.h5: its features were made in another way") as error:
        read_manifest(folder)
    assert str(error.value).splitlines()[1:] == ["  stride: 2 (manifest.json), 4 (features.h5)"]
    write_manifest(folder, stride=2, visual=["_other.npy"])  # the packed file holds others, and is passed over
    assert read_manifest(folder).grid.stride == 2
