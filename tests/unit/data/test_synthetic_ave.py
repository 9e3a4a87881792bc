import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from avel.data.ave import AVE
from avel.data.module import LoaderOptions
from avel.data.synthetic_ave import SyntheticAVEOptions, write_ave
from avel.errors import UserError
from tests.unit.data.ave_files import REAL

SCRIPT = Path(__file__).parents[3] / "scripts" / "make_synthetic.py"

TINY = SyntheticAVEOptions(videos=20, classes=3, background_videos=2, visual_dim=6, audio_dim=4)

SHAPES = {
    "visual_feature.h5": (20, 10, 7, 7, 6),
    "audio_feature.h5": (20, 10, 4),
    "visual_feature_vec.h5": (20, 10, 6),
    "labels.h5": (20, 10, 4),
    "right_labels.h5": (20, 10, 4),
    "mil_labels.h5": (20, 4),
    "labels_closs.h5": (20, 10),
    "prob_label.h5": (20, 4),
    "visual_feature_noisy.h5": (2, 10, 7, 7, 6),
    "audio_feature_noisy.h5": (2, 10, 4),
    "labels_noisy.h5": (2, 4),
    "train_order.h5": (12,),
    "val_order.h5": (4,),
    "test_order.h5": (4,),
    "train_order_match.h5": (12,),
    "val_order_match.h5": (4,),
    "test_order_match.h5": (4,),
    "places.h5": (20, 10, 7, 7),
}


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def load(path):
    """Return key and array of a file that has one."""
    with h5py.File(path) as file:
        ((key, array),) = file.items()
        return key, array[()]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny") / "ave"
    write_ave(root, TINY)
    return root


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_official_files_are_written_as_published(tmp_path, dtype):
    written = write_ave(tmp_path, replace(TINY, dtype=dtype))
    assert {path.name for path in written} == {"Annotations.txt", *SHAPES}
    assert {path.name for path in tmp_path.iterdir()} == {"Annotations.txt", "synthetic.json", *SHAPES}
    found = {name: load(tmp_path / name) for name in SHAPES}
    assert {name: array.shape for name, (_, array) in found.items()} == SHAPES
    for name, (key, array) in found.items():
        expected = {"order": ("order", "int64"), "place": ("places", "uint8"), "label": ("avadataset", "float32")}
        kind = next((kind for kind in expected if kind in name), None)
        assert (key, array.dtype) == expected.get(kind, ("avadataset", dtype))
        with h5py.File(tmp_path / name) as file:
            assert file[key].chunks is None
            assert not file[key].attrs


def test_float32_says_the_same_as_float64(tiny, tmp_path):
    write_ave(tmp_path, replace(TINY, dtype="float32"))
    for name in SHAPES:
        assert np.array_equal(load(tiny / name)[1], load(tmp_path / name)[1])


def test_the_number_of_workers_changes_nothing(tiny, tmp_path):
    write_ave(tmp_path, TINY, workers=3)
    assert contents(tiny) == contents(tmp_path)


def test_the_size_of_blocks_changes_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("avel.data.synthetic_ave.BLOCK_BYTES", 100_000)  # 4 videos
    write_ave(tmp_path, TINY)
    assert contents(tiny) == contents(tmp_path)


def test_seeds_differ(tiny, tmp_path):
    write_ave(tmp_path, replace(TINY, seed=1))
    same = [name for name in SHAPES if (tiny / name).read_bytes() == (tmp_path / name).read_bytes()]
    assert same == ["mil_labels.h5", "labels_noisy.h5"]  # the frequencies of classes are not drawn


def test_vectors_are_averaged_maps(tiny):
    maps, vectors = (load(tiny / f"visual_feature{name}.h5")[1] for name in ("", "_vec"))
    np.testing.assert_allclose(vectors, maps.mean(axis=(2, 3)), rtol=1e-5, atol=1e-7)


def test_labels_agree_with_the_annotations(tiny):
    labels = load(tiny / "labels.h5")[1]
    assert (labels.sum(axis=2) == 1).all()
    names = []
    for row, line in enumerate((tiny / "Annotations.txt").read_text().splitlines()):
        name, _, quality, start, end = line.split("&")
        if name not in names:
            names.append(name)
        expected = np.full(10, 3)
        expected[int(start) : int(end)] = names.index(name)
        assert quality == "good"
        assert labels[row].argmax(axis=1).tolist() == expected.tolist()
        assert load(tiny / "mil_labels.h5")[1][row].argmax() == names.index(name)
    assert np.array_equal(load(tiny / "right_labels.h5")[1], labels)
    assert np.array_equal(load(tiny / "labels_closs.h5")[1], 1 - labels[:, :, 3])
    np.testing.assert_allclose(load(tiny / "prob_label.h5")[1], labels.mean(axis=1), atol=1e-6)
    assert load(tiny / "labels_noisy.h5")[1].tolist() == [[0, 0, 0, 1]] * 2


@pytest.mark.parametrize("ending", ["_order.h5", "_order_match.h5"])
def test_splits_divide_all_rows(tiny, ending):
    rows = np.concatenate([load(tiny / f"{split}{ending}")[1] for split in ("train", "val", "test")])
    assert sorted(rows.tolist()) == list(range(20))


def test_places_are_in_event_seconds_only(tiny):
    cells = load(tiny / "places.h5")[1].sum(axis=(2, 3))
    assert np.array_equal(cells, 4 * load(tiny / "labels_closs.h5")[1])


@pytest.mark.parametrize("options", [{}, {"supervision": "weak"}, {"splits": "matching", "visual": "vectors"}], ids=str)
def test_the_ordinary_reader_reads_it(tiny, options):
    data = AVE(root=tiny, loader=LoaderOptions(batch_size=4), **options)
    data.setup("fit")
    videos = data.facts().videos
    assert videos == {"train": 14 if "supervision" in options else 12, "validation": 4, "test": 4}
    assert len(data.places("test")) == (0 if "visual" in options else 4)
    shape = (4, 10, 6) if "visual" in options else (4, 10, 7, 7, 6)
    assert {batch.visual.shape for batch in data.train_dataloader()} == {shape}


def test_a_second_call_writes_only_what_is_missing(tiny, tmp_path):
    write_ave(tmp_path, TINY)
    gone = {tmp_path / name for name in ("Annotations.txt", "audio_feature.h5", "val_order.h5", "places.h5")}
    for path in gone:
        path.unlink()
    assert set(write_ave(tmp_path, TINY)) == gone
    assert contents(tmp_path) == contents(tiny)
    assert write_ave(tmp_path, TINY) == []


def test_an_interrupted_file_is_not_there(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("avel.data.synthetic_ave.MapPlanter.audio", fail)
    with pytest.raises(KeyboardInterrupt):
        write_ave(tmp_path, TINY)
    names = {path.name for path in tmp_path.iterdir()}
    assert "places.h5" in names
    assert not [name for name in names if "audio" in name or name.endswith(".part")]


def test_other_options_need_force(tmp_path):
    write_ave(tmp_path / "a", replace(TINY, difficulty=0.9))
    own = tmp_path / "a" / "cmm_model_weights.h5"
    own.write_bytes(b"of the user")
    with pytest.raises(UserError, match="was made up with other options"):
        write_ave(tmp_path / "a", TINY)
    write_ave(tmp_path / "a", TINY, force=True)
    assert own.read_bytes() == b"of the user"
    own.unlink()
    write_ave(tmp_path / "b", TINY)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["Annotations.txt", "visual_feature.h5"])
def test_real_data_is_never_touched(tmp_path, force, name):
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(UserError, match="holds data that was not made up"):
        write_ave(tmp_path, TINY, force=force)
    assert contents(tmp_path) == {Path(name): b"precious"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"difficulty": -0.1}, "difficulty=-0.1: must be within 0..1"),
        ({"visual_dim": 0}, "visual_dim and audio_dim must be at least 1"),
        ({"seed": -1}, "seed at least 0"),
        ({"background_videos": 0}, "background_videos=0: must be at least 1"),
        ({"dtype": "float16"}, "dtype=float16: unknown, choose one of float32, float64"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        SyntheticAVEOptions(**options)


LINES = [
    f"{name}&{name[0]}{i}&good&{start}&10" for name in ("Dog, barking (loud)", "Horn") for i, start in enumerate("0345")
]


def given(tmp_path, lines=LINES):
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "Annotations.txt").write_text("\n".join(lines) + "\n")
    return folder / "Annotations.txt"


def test_features_are_planted_under_given_annotations(tmp_path):
    options = replace(TINY, annotations=given(tmp_path), videos=None, classes=None)
    write_ave(tmp_path / "ave", options)
    assert (tmp_path / "ave" / "Annotations.txt").read_text().splitlines() == LINES
    assert load(tmp_path / "ave" / "visual_feature.h5")[1].shape == (8, 10, 7, 7, 6)
    assert AVE(root=tmp_path / "ave").class_names == ["Dog, barking (loud)", "Horn"]


def write_orders(folder, orders):
    for name, rows in orders.items():
        with h5py.File(folder / name, "w") as file:
            file["order"] = np.array(rows)


def test_order_files_beside_the_annotations_are_used(tmp_path):
    path = given(tmp_path)
    orders = {"train_order.h5": [7, 0, 1, 4], "val_order.h5": [5, 2], "test_order.h5": [3, 6]}
    options = replace(TINY, annotations=path, videos=None, classes=None)
    drawn = options.manifest()
    write_orders(path.parent, orders)
    assert options.manifest() != drawn
    write_ave(tmp_path / "ave", options)
    assert {name: load(tmp_path / "ave" / name)[1].tolist() for name in orders} == orders


def test_a_subset_draws_its_splits(tmp_path):
    path = given(tmp_path)
    write_orders(path.parent, {"train_order.h5": [100]})  # would be refused
    write_ave(tmp_path / "ave", replace(TINY, annotations=path, videos=6, classes=2))
    assert AVE(root=tmp_path / "ave").facts().videos == {"train": 2, "validation": 2, "test": 2}


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["Horn&a&good&5&2"], {}, "line 1: the event ends"),
        (["Horn&a&good&0&2"], {}, "has one class only"),
        ([*LINES, "Bus&c&good&0&2"], {}, "1 videos of 'Bus' cannot be split in three"),
        ([line.replace("&3&", "&0&").replace("&4&", "&0&").replace("&5&", "&0&") for line in LINES], {}, "leaves some"),
        (LINES, {"videos": 9}, "cannot choose 9"),
    ],
)
def test_impossible_annotations_leave_nothing_behind(tmp_path, lines, options, message):
    with pytest.raises(UserError, match=message):
        write_ave(tmp_path / "ave", SyntheticAVEOptions(annotations=given(tmp_path, lines), **options))
    assert not (tmp_path / "ave").exists()


def test_order_files_must_be_complete(tmp_path):
    path = given(tmp_path)
    write_orders(path.parent, {"train_order.h5": range(8), "val_order.h5": [0]})
    with pytest.raises(UserError, match="some order files lie beside it, but not test_order.h5"):
        write_ave(tmp_path / "ave", SyntheticAVEOptions(annotations=path))


@pytest.fixture
def script(python):
    return partial(python.run, SCRIPT, "ave")


def test_the_script_says_what_comes_next(script, tmp_path):
    sizes = ("--videos", "12", "--classes", "2", "--visual-dim", "4", "--audio-dim", "4", "--dtype", "float32")
    done = script("--out", tmp_path, *sizes)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{tmp_path / 'ave'}: wrote 19 files, all others were there",
        f"Next: python run.py experiment=av_att_ave size=narrow paths.data_dir={tmp_path}",
    ]
    assert json.loads((tmp_path / "ave" / "synthetic.json").read_text())["dtype"] == "float32"


def test_the_script_answers_mistakes_with_one_line(script, tmp_path):
    failed = script("--out", tmp_path, "--videos", "4")
    assert failed.returncode == 2
    assert failed.stderr == "4 videos cannot show 8 classes: ask for at least 2 classes and 3 videos of each\n"
    assert not list(tmp_path.iterdir())


def test_help_names_all_options(script):
    shown = script("--help").stdout
    assert [
        word
        for word in ("--background-videos", "--dtype", "--difficulty", "--annotations", "--force")
        if word not in shown
    ] == []
    assert "default: 300, or all of --annotations" in " ".join(shown.split())


needs_real = pytest.mark.skipif(not REAL.exists(), reason="the real AVE annotations lie outside of the repository")
NARROW = SyntheticAVEOptions(annotations=REAL / "Annotations.txt", visual_dim=1, audio_dim=1, dtype="float32")


@needs_real
def test_a_subset_of_real_annotations(tmp_path):
    write_ave(tmp_path, replace(NARROW, videos=60, classes=5))
    facts = AVE(root=tmp_path).facts()
    assert facts.num_classes == 5
    assert facts.videos == {"train": 36, "validation": 12, "test": 12}


@needs_real
@pytest.mark.slow
def test_real_annotations_and_splits_are_kept(tmp_path):
    write_ave(tmp_path, NARROW)
    assert (tmp_path / "Annotations.txt").read_bytes() == (REAL / "Annotations.txt").read_bytes()
    names = [path.name for path in REAL.glob("*_order*.h5")] + ["mil_labels.h5", "labels_closs.h5", "labels_noisy.h5"]
    assert len(names) == 9
    for name in names:
        (key, found), (real_key, expected) = load(tmp_path / name), load(REAL / name)
        assert key == real_key
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    assert not load(tmp_path / "places.h5")[1][26].any()  # its event lasts for 0 seconds
    assert AVE(root=tmp_path, supervision="weak", drop_leaked=True).facts().snippets == 10
