from dataclasses import replace

import numpy as np
import pytest

from avel.data.features import FeatureFolder
from avel.data.inspection.features import survey_features, with_bar
from avel.data.manifest import read_manifest
from tests.unit.data.files import write_own_features

LENGTHS = {"a": 5, "b": 7, "c": 7, "d": 7}


@pytest.fixture
def folder(tmp_path):
    write_own_features(tmp_path, LENGTHS)
    return FeatureFolder(tmp_path, read_manifest(tmp_path))


def test_of_sound_files_only_shapes_are_told(folder):
    seen = []
    found = survey_features(
        folder, list(LENGTHS), track=lambda videos: (seen.append(video) or video for video in videos)
    )
    assert {video: shape.length for video, shape in found.shapes.items()} == LENGTHS
    assert found.widths == (3, 2)
    assert not any((found.missing, found.damaged, found.copies, found.strays, *found.constant.values()))
    assert seen == list(LENGTHS)


def test_on_a_terminal_a_bar_shows_how_far_it_is(monkeypatch, capsys):
    for name in ("FORCE_COLOR", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert list(with_bar(["a", "b"])) == ["a", "b"]
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(with_bar(["a", "b"])) == ["a", "b"]
    said = capsys.readouterr()
    assert "Reading features" in said.err
    assert not said.out


def test_one_fault_does_not_hide_the_next(folder):
    (folder.folder / "a_v.npy").unlink()
    (folder.folder / "b_a.npy").write_bytes(b"")
    np.save(folder.folder / "c_v.npy", np.full((7, 3), np.nan, np.float32))
    found = survey_features(folder, ["a", "b", "c", "x"])
    assert found.missing == ["a", "x"]
    assert list(found.damaged) == ["b", "c"]
    assert "b_a.npy: cannot be read" in found.damaged["b"]
    assert "c_v.npy: holds NaN" in found.damaged["c"]
    assert found.shapes == {}
    assert found.widths is None
    assert found.strays == ["d"]
    assert list(survey_features(folder, ["b", "c"], headers_only=True).damaged) == ["b"]


def test_constant_features_and_copies(folder):
    for video, value in {"a": 0, "b": 3}.items():
        np.save(folder.folder / f"{video}_a.npy", np.full((LENGTHS[video], 2), value, np.float32))
    for kind in "va":
        np.save(folder.folder / f"d_{kind}.npy", np.load(folder.folder / f"c_{kind}.npy"))
    found = survey_features(folder, list(LENGTHS))
    assert found.constant == {"visual": [], "audio": ["a", "b"]}
    assert found.copies == [("c", "d")]


def test_videos_without_any_content_are_no_copies(folder):
    for name in ("c_v", "c_a", "d_v", "d_a"):
        np.save(folder.folder / f"{name}.npy", np.zeros((7, 2), np.float32))
    found = survey_features(folder, list(LENGTHS))
    assert found.constant == {"visual": ["c", "d"], "audio": ["c", "d"]}
    assert found.copies == []


def test_the_usual_width_is_that_of_most(folder):
    np.save(folder.folder / "a_v.npy", np.ones((5, 8), np.float32))
    assert survey_features(folder, list(LENGTHS)).widths == (3, 2)


def test_what_has_no_sound_is_not_silent(folder):
    silent = replace(folder, family=replace(folder.family, audio=()))
    assert survey_features(silent, ["a"]).constant == {"visual": [], "audio": []}
