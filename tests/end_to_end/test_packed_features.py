"""From the command line: features that are packed when they are extracted, or later."""

import os

import numpy as np
import pytest

from avel.data.packed import PackedFeatures
from tests.clips import write_clips
from tests.unit.data.files import write_features, write_own_features


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_extraction_ends_with_one_file_and_goes_on_from_it(python, tmp_path):
    write_clips(tmp_path, 3)
    videos, out = tmp_path / "videos", tmp_path / "features"

    def extract(*overrides):
        done = python.run("scripts/extract_features.py", videos, out, *overrides)
        return done.returncode, done.stdout.splitlines(), done.stderr

    (videos / "clip02.mp4").rename(tmp_path / "clip02.mp4")
    code, lines, stderr = extract("packed=true")
    assert code == 0, stderr
    assert "Extracted features of 2 files" in lines
    assert lines[-1].startswith(f"{out / 'features.h5'}: 2 videos, float32")
    assert names(out) == ["features.h5", "manifest.json"]
    (tmp_path / "clip02.mp4").rename(videos / "clip02.mp4")
    code, _, stderr = extract()
    assert code == 2
    assert stderr == f"error: {out / 'features.h5'}: the features of this folder are packed: go on with packed=true\n"
    code, lines, _ = extract("packed=true", "dtype=float16")
    assert "Extracted features of 1 files, 2 were there" in lines
    packed = PackedFeatures(out / "features.h5")
    assert (packed.videos(), packed.dtype) == (["clip00", "clip01", "clip02"], "float16")
    before = os.stat(out / "features.h5").st_mtime_ns
    code, lines, _ = extract("packed=true")
    assert lines[-1] == "Extracted features of 0 files, 3 were there"
    assert os.stat(out / "features.h5").st_mtime_ns == before


def test_a_folder_is_packed(python, tmp_path):
    folder = write_own_features(tmp_path / "own", {"a": 3, "b": 5})
    (folder / "c_v.npy").touch()
    done = python.run("scripts/pack_features.py", folder, folder / "features.h5", "--dtype", "float16")
    assert done.returncode == 0, done.stderr
    assert f"{folder / 'features.h5'}: 2 videos, float16" in done.stdout
    assert done.stdout.splitlines()[-1] == "Left out, because files of theirs are missing: 1 videos (c)"
    again = python.run("scripts/pack_features.py", folder, folder / "features.h5")
    assert (again.returncode, again.stderr) == (2, f"{folder / 'features.h5'}: is there already; --force replaces it\n")


def test_published_features_are_packed_by_their_names(python, tmp_path):
    write_features(tmp_path, "v1", visual=np.ones((7, 3), np.float32), audio=np.ones((7, 2), np.float32))
    done = python.run("scripts/pack_features.py", tmp_path, tmp_path / "features.h5", "data=unav100")
    assert done.returncode == 0, done.stderr
    assert PackedFeatures(tmp_path / "features.h5").videos() == ["v1"]
    other = python.run("scripts/pack_features.py", tmp_path, tmp_path / "x.h5", "data=ave")
    assert (other.returncode, other.stderr[:31]) == (2, "say whose features they are, fo")
