import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avel.data.prompts import read_prompts
from avel.data.synthetic_dense import FORMATS, SyntheticDenseOptions, write_dense
from avel.errors import UserError
from tests.unit.data.files import SHARED, counts, link

SCRIPT = Path(__file__).parents[3] / "scripts" / "make_synthetic.py"
TINY = SyntheticDenseOptions(videos=18, classes=3, visual_dim=6, audio_dim=4)
FEATURES = [(name, features) for name, form in FORMATS.items() for features in form.reader.families]


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("dataset", "features"), FEATURES)
def test_the_ordinary_reader_reads_it(tmp_path, dataset, features):
    written = write_dense(tmp_path, dataset, replace(TINY, features=features))
    data = FORMATS[dataset].reader(root=tmp_path, features=features, selection_split="test")
    data.setup("fit")
    family = data.features.family
    assert len(written) == 18 * len(family.visual + family.audio)
    assert {path.parent.name for path in written} == {family.folder}
    facts = data.facts()
    assert (facts.num_classes, facts.visual_dim, facts.audio_dim) == (3, 6, 4 if family.audio else 0)
    assert facts.videos["train"] + facts.videos["test"] == 18
    for video in data.videos("train"):
        visual, audio = data.features.load(video.video)
        grid = family.grid_at(video.fps)
        steps = int((video.duration * grid.fps - grid.window) // grid.stride) + 1
        assert (len(visual), len(audio)) == (steps, steps)
    assert {label for video in data.videos("train") for label in video.labels} == {0, 1, 2}


@pytest.mark.parametrize("dataset", FORMATS)
def test_equal_options_give_equal_files(tmp_path, dataset):
    for workers in (1, 3):
        write_dense(tmp_path / str(workers), dataset, TINY, workers=workers)
    before = contents(tmp_path / "1")
    assert before == contents(tmp_path / "3")
    gone = next((tmp_path / "1").glob("*_features/*.npy"))
    gone.unlink()
    assert gone in write_dense(tmp_path / "1", dataset, TINY)
    assert contents(tmp_path / "1") == before
    assert write_dense(tmp_path / "1", dataset, TINY) == []


@pytest.mark.parametrize("dataset", FORMATS)
def test_other_options_need_force_and_real_data_is_never_touched(tmp_path, dataset):
    write_dense(tmp_path / "a", dataset, TINY)
    with pytest.raises(UserError, match="was made up with other options"):
        write_dense(tmp_path / "a", dataset, replace(TINY, seed=1))
    write_dense(tmp_path / "a", dataset, replace(TINY, seed=1), force=True)
    (tmp_path / "a" / "synthetic.json").unlink()
    with pytest.raises(UserError, match="holds data that was not made up"):
        write_dense(tmp_path / "a", dataset, TINY, force=True)


def test_prompts_are_matched_by_name_and_alike_in_all_sets(tmp_path):
    found = {}
    for dataset, file in (("activitynet13", "anet_prompt"), ("desed", "dcase_prompt")):
        write_dense(tmp_path / dataset, dataset, TINY)
        path = tmp_path / dataset / "prompts" / f"{file}.npy"
        names = FORMATS[dataset].reader(root=tmp_path / dataset, selection_split="test").class_names
        found[dataset] = dict(zip(names, read_prompts(path, names).tolist(), strict=True))
        in_order_of_ids = np.load(path).tolist() == list(found[dataset].values())
        assert in_order_of_ids == (dataset == "activitynet13")
    assert found["activitynet13"] == found["desed"]
    np.testing.assert_allclose(np.linalg.norm(list(found["desed"].values()), axis=1), 1, rtol=1e-6)
    write_dense(tmp_path / "thumos14", "thumos14", TINY)
    assert not (tmp_path / "thumos14" / "prompts").exists()


def test_drawn_data_have_the_oddities_of_the_real_ones(tmp_path):
    for dataset in FORMATS:
        write_dense(tmp_path / dataset, dataset, replace(TINY, videos=60))
    official = json.loads((tmp_path / "activitynet13/annotations/activity_net.v1-3.min.json").read_text())
    entries = official["database"].values()
    assert {entry["subset"] for entry in entries} == {"training", "validation"}
    assert {key for entry in entries for row in entry["annotations"] for key in row} == {"segment", "label"}
    thumos = json.loads((tmp_path / "thumos14/annotations/thumos14.json").read_text())["database"].values()
    assert {entry["fps"] for entry in thumos} == {25.0, 30.0}
    desed = FORMATS["desed"].reader(root=tmp_path / "desed", selection_split="test").annotations
    assert all(video.video.startswith("Y") == (video.split == "train") for video in desed.videos)
    assert len({video.duration for video in desed.split("train")}) > 1
    assert len({video.duration for video in desed.split("test")}) > 1


@pytest.mark.parametrize(("dataset", "mean", "events"), [("activitynet13", 116, 1.54), ("desed", 10, 3.79)])
def test_drawn_videos_have_the_statistics_of_the_real_ones(tmp_path, dataset, mean, events):
    write_dense(tmp_path, dataset, SyntheticDenseOptions(videos=600, classes=10, visual_dim=1, audio_dim=1))
    videos = FORMATS[dataset].reader(root=tmp_path, selection_split="test").annotations.videos
    assert np.mean([video.duration for video in videos]) == pytest.approx(mean, rel=0.1)
    assert np.mean([len(video.labels) for video in videos]) == pytest.approx(events, rel=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "clip"}, "features=clip: unknown, choose one of one_peace"),
        ({"videos": 3}, "cannot show 3 classes"),
    ],
)
def test_impossible_options_are_refused(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        write_dense(tmp_path, "desed", replace(TINY, **options))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [{"difficulty": 1.1}, {"visual_dim": 0}, {"audio_dim": 0}, {"seed": -1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(UserError, match="must be"):
        SyntheticDenseOptions(**options)


@pytest.mark.parametrize("dataset", FORMATS)
def test_the_script_says_what_comes_next(python, tmp_path, dataset):
    options = ("--videos", "12", "--classes", "2", "--visual-dim", "4", "--audio-dim", "4")
    done = python.run(SCRIPT, dataset, "--out", tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert f"_{dataset} " in done.stdout.splitlines()[-1]
    assert f"paths.data_dir={tmp_path}" in done.stdout.splitlines()[-1]
    assert FORMATS[dataset].reader(root=tmp_path / dataset).facts().num_classes == 2


@pytest.mark.skipif(not (SHARED / "desed").exists(), reason="the real DESED metadata lie outside of the repository")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_features_are_planted_under_real_annotations(tmp_path):
    real = tmp_path / "real" / "metadata"
    link(real / "validation/validation.tsv", SHARED / "desed" / "validation_validation.tsv")
    link(real / "eval/public.tsv", SHARED / "desed" / "eval_public.tsv")
    link(real / "eval/public_meta.tsv", SHARED / "desed" / "eval_public_meta.tsv")
    reader = FORMATS["desed"].reader
    options = replace(TINY, annotations=tmp_path / "real", videos=None, classes=None, visual_dim=1, audio_dim=1)
    write_dense(tmp_path / "made", "desed", options)
    expected, found = (reader(root=tmp_path / name, selection_split="test").annotations for name in ("real", "made"))
    assert counts(found) == counts(expected)
    for before, after in zip(expected.videos, found.videos, strict=True):
        assert (before.video, before.split, before.duration) == (after.video, after.split, after.duration)
        assert before.segments.tolist() == after.segments.tolist()
        assert before.labels.tolist() == after.labels.tolist()
