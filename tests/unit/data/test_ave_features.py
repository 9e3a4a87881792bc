import json
import re

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from avel.data.ave import AVE
from avel.data.ave_features import write_ave_features
from avel.errors import UserError
from tests.unit.data.ave_files import LINES, SNIPPETS, VIDEOS, write_ave

SOURCES = [line.split("&")[1] for line in LINES]
MAP, VECTOR, SOUND = (2, 3, 4), (4,), (5,)
MANIFEST = {"visual": ["_visual.npy"], "audio": ["_audio.npy"], "fps": 4, "stride": 4, "window": 4, "reading": 7}

pytestmark = pytest.mark.filterwarnings("ignore:.*video ids are both in the training and in the test split")


def write_features(folder, videos, *, step=MAP, length=SNIPPETS + 1, **manifest):
    """Write features as extraction does; return (visual, audio) by video."""
    random, written = np.random.default_rng(0), {}
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST | manifest))
    for video in sorted(set(videos)):
        written[video] = [random.normal(size=(length, *shape)).astype(np.float32) for shape in (step, SOUND)]
        for ending, array in zip(("_visual.npy", "_audio.npy"), written[video], strict=True):
            np.save(folder / f"{video}{ending}", array)
    return written


@pytest.fixture
def root(tmp_path):
    """A data set without features."""
    path = write_ave(tmp_path / "ave", leave_out=[])
    for file in path.glob("*_feature*.h5"):
        file.unlink()
    return path


def read(path):
    with h5py.File(path) as file:
        return file["avadataset"][()], json.loads(file["avadataset"].attrs["provenance"])


def test_a_row_is_the_video_of_its_line(root, tmp_path):
    made = write_features(tmp_path / "features", SOURCES)
    written = write_ave_features(root, tmp_path / "features", snippets=SNIPPETS)
    assert [path.name for path in written] == ["visual_feature.h5", "audio_feature.h5"]
    for place, path in enumerate(written):
        rows, provenance = read(path)
        assert rows.dtype == np.float32
        assert_array_equal(rows, [made[source][place][:SNIPPETS] for source in SOURCES])
        assert provenance == {"fps": 4, "stride": 4, "window": 4, "reading": 7}


def test_the_data_module_reads_what_was_written(root, tmp_path):
    made = write_features(tmp_path / "features", SOURCES)
    background = write_features(tmp_path / "background", ["z", "y", "x"])
    write_ave_features(root, tmp_path / "features", background=tmp_path / "background", snippets=SNIPPETS)
    (root / "labels_noisy.h5").unlink()
    data = AVE(root=root, supervision="weak")
    facts = data.facts()
    assert (facts.visual_dim, facts.audio_dim, facts.positions, facts.snippets) == (4, 5, 6, SNIPPETS)
    train = data.dataset("train", training=False)
    assert train.videos[-3:] == ["background_000", "background_001", "background_002"]
    assert_array_equal(train[len(train) - 1].visual, background["z"][0][:SNIPPETS])
    assert_array_equal(train[5].audio, made[VIDEOS[8]][1][:SNIPPETS])


def test_vectors_have_a_file_of_their_own(root, tmp_path):
    made = write_features(tmp_path / "features", SOURCES, step=VECTOR)
    background = write_features(tmp_path / "background", ["x"], step=VECTOR)
    written = write_ave_features(root, tmp_path / "features", background=tmp_path / "background", snippets=SNIPPETS)
    names = ["visual_feature_vec.h5", "audio_feature.h5", "visual_feature_noisy.h5", "audio_feature_noisy.h5"]
    assert [path.name for path in written] == names
    (root / "labels_noisy.h5").unlink()
    train = AVE(root=root, supervision="weak", visual="vectors").dataset("train", training=False)
    assert_array_equal(train[0].visual, made["a"][0][:SNIPPETS])
    assert_array_equal(train[len(train) - 1].visual, background["x"][0][:SNIPPETS])


def test_videos_that_end_too_early_are_told(root, tmp_path):
    made = write_features(tmp_path / "features", SOURCES, length=SNIPPETS - 1)
    message = r"visual_feature\.h5: 12 rows are of videos shorter than 4 s and zero behind their end"
    with pytest.warns(UserWarning, match="12 rows") as told:
        visual, _ = write_ave_features(root, tmp_path / "features", snippets=SNIPPETS)
    assert re.search(message, str(told[0].message))
    rows, _ = read(visual)
    assert_array_equal(rows[0, :-1], made["a"][0])
    assert not rows[:, -1].any()


def test_files_that_are_there_are_kept(root, tmp_path):
    write_features(tmp_path / "features", SOURCES)
    (root / "audio_feature.h5").write_text("published")
    with pytest.raises(UserError, match=r"audio_feature\.h5: is there already; --force replaces it"):
        write_ave_features(root, tmp_path / "features", snippets=SNIPPETS)
    assert not (root / "visual_feature.h5").exists()
    assert len(write_ave_features(root, tmp_path / "features", snippets=SNIPPETS, force=True)) == 2


def without_a_video(folder):
    (folder / "d_audio.npy").unlink()
    (folder / "e_visual.npy").unlink()


def with_another_hop(folder):
    (folder / "manifest.json").write_text(json.dumps(MANIFEST | {"stride": 2}))


def with_two_files(folder):
    (folder / "manifest.json").write_text(json.dumps(MANIFEST | {"visual": ["_rgb.npy", "_flow.npy"]}))


def with_another_shape(folder):
    np.save(folder / "e_visual.npy", np.zeros((SNIPPETS, *VECTOR), np.float32))


def with_nan(folder):
    np.save(folder / "e_audio.npy", np.full((SNIPPETS, *SOUND), np.nan, np.float32))


def without_manifest(folder):
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_a_video, r"2 of 9 videos lack feature files .*: d, e\. Extract these, without packed=true"),
        (with_another_hop, r"has \*_visual.npy and \*_audio.npy with a step every 0\.5 s: extract with encoder=vgg19_"),
        (with_two_files, r"must hold one file per video of pictures and one of sound"),
        (with_another_shape, r"e_visual\.npy: has steps of shape \(4,\), .*a_visual\.npy \(2, 3, 4\)"),
        (with_nan, r"e_audio\.npy: holds NaN"),
        (without_manifest, r"manifest\.json: no such file"),
    ],
)
def test_mistakes_are_told_and_leave_nothing_behind(root, tmp_path, damage, message):
    write_features(tmp_path / "features", SOURCES)
    damage(tmp_path / "features")
    before = {path.name for path in root.iterdir()}
    with pytest.raises(UserError, match=message):
        write_ave_features(root, tmp_path / "features", snippets=SNIPPETS)
    assert {path.name for path in root.iterdir()} == before  # also where pictures are whole and sound is at fault


def test_a_folder_without_annotations(tmp_path):
    with pytest.raises(
        UserError, match=r"Annotations\.txt: no such file\nAnnotations\.txt and the order files must lie"
    ):
        write_ave_features(tmp_path, tmp_path)


def test_background_must_be_there(root, tmp_path):
    write_features(tmp_path / "features", SOURCES)
    write_features(tmp_path / "background", [])
    with pytest.raises(UserError, match="background: holds no features, looked for"):
        write_ave_features(root, tmp_path / "features", background=tmp_path / "background", snippets=SNIPPETS)
