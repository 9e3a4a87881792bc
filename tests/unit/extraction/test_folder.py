import json
import os
from dataclasses import replace

import numpy as np
import pytest

from avel.data.features import FeatureFolder
from avel.data.manifest import read_manifest as read_family
from avel.errors import UserError
from avel.extraction.extract import Features
from avel.extraction.folder import FeatureStore
from avel.extraction.manifest import read_manifest
from avel.extraction.records import Record, new_record
from avel.extraction.sources import find_sources

MADE = {"fps": 4, "stride": 2, "window": 4, "reading": 1, "encoders": {"visual": {"hop": 0.5}, "audio": {"hop": 0.5}}}
OTHER = MADE | {"stride": 1, "encoders": {"visual": {"hop": 0.25}, "audio": {"hop": 0.5}}}


def features(steps=3):
    return Features(np.full((steps, 2), 7, np.float32), np.full((steps, 1), 8, np.float32), duration=2.5)


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for size, name in enumerate(("a", "b", "c"), start=1):
        (folder / f"{name}.mp4").write_bytes(name.encode() * size)
    return folder


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "features", MADE)


def extract(store, sources, *videos):
    for source in sources:
        if source.video in videos:
            store.add(source.video, features(), new_record(source.path, source.path.name))


def todo(store, clips):
    return [source.video for source in store.begin(find_sources(clips))]


def test_what_is_missing_is_done_large_files_first(store, clips):
    assert todo(store, clips) == ["c", "b", "a"]
    extract(store, find_sources(clips), "c", "a")
    store.finish()
    assert todo(store, clips) == ["b"]
    (store.root / "a_audio.npy").unlink()
    assert todo(store, clips) == ["b", "a"]


def test_what_was_packed_is_there(store, clips):
    sources = store.begin(find_sources(clips))
    extract(store, sources, "a", "b")
    store.finish()
    for path in store.root.glob("*.npy"):
        path.unlink()
    (store.root / "features.h5").touch()
    again = FeatureStore(store.root, MADE, packed=["a", "b"])
    again.check()
    assert todo(again, clips) == ["c"]
    (store.root / "a_visual.npy").touch()  # a run was killed that extracted it again
    assert todo(again, clips) == ["c", "a"]
    (clips / "b.mp4").write_bytes(b"B")
    assert todo(again, clips) == ["c", "a", "b"]
    other = FeatureStore(store.root, OTHER, packed=["a", "b"])
    other.check(overwrite=True)
    assert todo(other, clips) == ["c", "a", "b"]
    assert [path.name for path in store.root.iterdir()] == ["manifest.json"]


def test_a_packed_file_of_others_is_not_touched(store, clips):
    store.root.mkdir()
    (store.root / "features.h5").touch()
    with pytest.raises(UserError, match=r"features\.h5: is there, and this program did not write it"):
        store.check(overwrite=True)


def test_what_was_made_from_another_file_is_done_again(store, clips):
    extract(store, store.begin(find_sources(clips)), "a", "b", "c")
    (clips / "a.mp4").write_bytes(b"A")
    os.utime(clips / "b.mp4", ns=(1, 1))  # copied
    (clips / "b.mp4").rename(clips / "c.mp4")  # now another one is called so
    (clips / "d.mp4").write_bytes(b"d")
    assert todo(store, clips) == ["c", "a", "d"]


def test_records_of_a_killed_run_are_not_lost(store, clips):
    sources = store.begin(find_sources(clips))
    extract(store, sources, "a")
    store.fail("b", Record("b.mp4", error="b.mp4: torn"))
    (store.root / ".c_visual.npy.part").write_bytes(b"half of")
    (store.records / ".c.json.part").write_bytes(b"{")
    again = FeatureStore(store.root, MADE)
    again.check()
    assert todo(again, clips) == ["c", "b"]
    assert sorted(path.name for path in store.root.iterdir()) == ["a_audio.npy", "a_visual.npy", "manifest.json"]
    manifest = read_manifest(store.root)
    assert (list(manifest.files), list(manifest.failed)) == (["a"], ["b"])
    assert manifest.failed["b"].error == "b.mp4: torn"


def test_a_file_that_breaks_loses_its_features_and_one_that_is_mended_its_failure(store, clips):
    sources = store.begin(find_sources(clips))
    extract(store, sources, "a")
    store.finish()
    store.fail("a", Record("a.mp4", error="torn"))
    manifest = store.finish()
    assert (manifest.files, list(manifest.failed)) == ({}, ["a"])
    assert not list(store.root.glob("a_*"))
    extract(store, sources, "a")
    manifest = store.finish()
    assert (list(manifest.files), manifest.failed) == (["a"], {})


def test_the_readers_of_data_sets_understand_the_folder(store, clips):
    extract(store, store.begin(find_sources(clips)), "a")
    store.finish()
    folder = FeatureFolder(store.root, read_family(store.root))
    visual, audio = folder.load("a")
    assert (visual.unique().tolist(), audio.unique().tolist()) == ([7], [8])
    assert folder.family.grid.hop == 0.5
    document = json.loads((store.root / "manifest.json").read_text())
    assert document["files"]["a"]["duration"] == 2.5
    assert document["files"]["a"]["steps"] == 3
    assert document["versions"].keys() >= {"avel", "torch", "av", "ffmpeg", "numpy"}


def test_features_that_were_made_in_another_way_are_refused_key_by_key(store, clips):
    extract(store, store.begin(find_sources(clips)), "a")
    other = FeatureStore(store.root, OTHER)
    with pytest.raises(UserError) as error:
        other.check()
    assert str(error.value).splitlines()[1:] == [
        "  stride: 2 (there), 1 (now)",
        "  encoders.visual.hop: 0.5 (there), 0.25 (now)",
    ]
    assert "overwrite=true" in str(error.value)
    with pytest.raises(UserError, match="overwrite=no: must be true or false"):
        other.check(overwrite="no")


def test_or_replaced(store, clips):
    sources = store.begin(find_sources(clips))
    extract(store, sources, "a")
    store.finish()
    extract(store, sources, "b")  # on record, not in the manifest: a run was killed
    (store.root / "torn_visual.npy").touch()
    other = FeatureStore(store.root, OTHER)
    other.check(overwrite=True)
    assert todo(other, clips) == ["c", "b", "a"]
    assert [path.name for path in store.root.iterdir()] == ["manifest.json"]
    other.check()


def test_features_stay_where_weights_have_moved(store, clips):
    def made(path):
        visual = {"hop": 0.5, "weights": {"from": path, "blake2b": "f00"}}
        return FeatureStore(store.root, MADE | {"encoders": {"visual": visual, "audio": {}}})

    extract(made("/old"), made("/old").begin(find_sources(clips)), "a")
    made("/new").check()
    assert todo(made("/new"), clips) == ["c", "b"]
    assert read_manifest(store.root).provenance == made("/new").provenance


def test_features_of_others_are_not_touched(store, tmp_path):
    store.root.mkdir()
    store.check()
    (store.root / "notes.txt").touch()
    store.check()
    (store.root / "x_audio.npy").touch()
    with pytest.raises(UserError, match=r"x_audio.npy: is there, and this program did not write it"):
        store.check(overwrite=True)
    (store.root / "x_audio.npy").unlink()
    (store.root / "manifest.json").write_text(json.dumps({"visual": ["_rgb.npy"], "audio": [], "fps": 4}))
    with pytest.raises(UserError, match=r"manifest.json: is there, and this program did not write it"):
        store.check(overwrite=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "must be a JSON object"),
        ('{"files": [1]}', '"files" must be an object'),
        ('{"failed": {"a": 3}}', "cannot be read"),
    ],
)
def test_a_damaged_manifest_is_told(store, text, message):
    store.root.mkdir()
    (store.root / "manifest.json").write_text(text)
    with pytest.raises(UserError, match=f"manifest.json: {message}"):
        store.check()


def test_names_may_be_odd(store, tmp_path):
    source = tmp_path / "-[x] %s\udcff*.mp4"
    record = replace(Record(source.name), size=1)
    store.begin([])
    store.add(source.stem, features(), record)
    assert store.finish().files[source.stem] == replace(record, duration=2.5, steps=3)
    assert read_manifest(store.root).files.keys() == {source.stem}


def test_records_in_another_folder_are_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "records").symlink_to(tmp_path)
    with pytest.raises(UserError, match="records: is a link to another place"):
        FeatureStore(tmp_path / "out", MADE).check()
