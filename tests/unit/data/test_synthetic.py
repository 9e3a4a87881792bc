import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from avel.data.annotations import read_annotations
from avel.data.synthetic import SyntheticOptions, write_unav100
from avel.data.unav100 import UnAV100
from avel.errors import UserError
from tests.unit.data.files import REAL, TINY, entry, event, write_annotations

SCRIPT = Path(__file__).parents[3] / "scripts" / "make_synthetic.py"


NAMES_OF_REAL_FILES = (
    "annotations/unav100_annotations.json",
    "av_features/v1_one_peace_audio.npy",
    "prompts/unav100_prompt.npy",
)


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_ordinary_reader_reads_it(tmp_path):
    written = write_unav100(tmp_path / "unav100", TINY)
    assert len(written) == 30
    data = UnAV100(root=tmp_path / "unav100")
    data.setup("fit")
    for split in ("train", "validation", "test"):
        for video in data.videos(split):
            visual, audio = data.features.load(video.video)
            steps = int((video.duration - 1) // 0.25) + 1
            assert (visual.shape, audio.shape) == ((steps, 6), (steps, 4))


def test_prompts_are_unit_rows_that_depend_on_class_names_alone(tmp_path):
    options = (TINY, replace(TINY, seed=5, videos=20, classes=7, features="i3d_vggish"))
    found = []
    for i, of_set in enumerate(options):
        write_unav100(tmp_path / str(i), of_set)
        prompts = np.load(tmp_path / str(i) / "prompts" / "unav100_prompt.npy")
        names = UnAV100(root=tmp_path / str(i), features=of_set.features).facts().class_names
        about = json.loads((tmp_path / str(i) / "prompts" / "unav100_prompt.json").read_text())
        assert about["classes"] == names
        assert (prompts.shape, prompts.dtype) == ((len(names), 64), np.float32)
        np.testing.assert_allclose(np.linalg.norm(prompts, axis=1), 1, rtol=1e-6)
        found.append(dict(zip(names, prompts.tolist(), strict=True)))
    common = found[0].keys() & found[1].keys()
    assert common
    assert {name: found[0][name] for name in common} == {name: found[1][name] for name in common}
    assert len({tuple(row) for row in found[1].values()}) == 7


def test_a_set_without_prompts_gets_them(tmp_path):
    write_unav100(tmp_path, TINY)
    before = contents(tmp_path)
    (tmp_path / "prompts" / "unav100_prompt.npy").unlink()
    assert write_unav100(tmp_path, TINY) == []
    assert contents(tmp_path) == before


def test_the_number_of_workers_changes_nothing(tmp_path):
    for workers in (1, 3):
        write_unav100(tmp_path / str(workers), TINY, workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "3")


def test_i3d_features_are_halved_into_rgb_and_flow(tmp_path):
    write_unav100(tmp_path, replace(TINY, features="i3d_vggish"))
    widths = {
        ending: np.load(tmp_path / "av_features" / f"synthetic_train_00000_{ending}.npy").shape[1]
        for ending in ("rgb", "flow", "vggish")
    }
    assert widths == {"rgb": 3, "flow": 3, "vggish": 4}


def test_a_second_call_writes_only_what_is_missing(tmp_path):
    write_unav100(tmp_path, TINY)
    before = contents(tmp_path)
    gone = tmp_path / "av_features" / "synthetic_train_00004_one_peace_audio.npy"
    gone.unlink()
    written = write_unav100(tmp_path, TINY)
    assert gone in written
    assert all("synthetic_train_00004" in path.name for path in written)
    assert contents(tmp_path) == before
    assert write_unav100(tmp_path, TINY) == []


def test_other_options_need_force(tmp_path):
    write_unav100(tmp_path / "a", TINY)
    other = replace(TINY, difficulty=0.9)
    with pytest.raises(UserError, match="was made up with other options"):
        write_unav100(tmp_path / "a", other)
    write_unav100(tmp_path / "a", other, force=True)
    write_unav100(tmp_path / "b", other)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", NAMES_OF_REAL_FILES)
def test_real_data_is_never_touched(tmp_path, force, name):
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(UserError, match="holds data that was not made up"):
        write_unav100(tmp_path, TINY, force=force)
    assert contents(tmp_path) == {Path(name): b"precious"}


def test_features_are_planted_under_given_annotations(tmp_path):
    database = {f"v{i}": entry(event(i, i + 3), duration=20.0) for i in range(5)}
    options = SyntheticOptions(annotations=write_annotations(tmp_path, database), visual_dim=3, audio_dim=3)
    write_unav100(tmp_path / "out", options)
    videos = read_annotations(tmp_path / "out" / "annotations" / "unav100_annotations.json").videos
    assert [video.segments.tolist() for video in videos] == [[[i, i + 3]] for i in range(5)]


def test_bad_annotations_leave_nothing_behind(tmp_path):
    path = write_annotations(tmp_path, {"v0": entry(event(5, 2))})
    with pytest.raises(UserError, match="ends before it starts"):
        write_unav100(tmp_path / "out", SyntheticOptions(annotations=path))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "clip"}, "choose one of one_peace, i3d_vggish"),
        ({"difficulty": 1.1}, "must be within 0..1"),
        ({"visual_dim": 0}, "visual_dim must be at least 1"),
        ({"features": "i3d_vggish", "visual_dim": 1}, "visual_dim must be at least 2"),
        ({"seed": -1}, "seed at least 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        SyntheticOptions(**options)


@pytest.fixture
def script(python):
    return partial(python.run, SCRIPT, "unav100")


def test_the_script_says_what_comes_next(script, tmp_path):
    done = script("--out", tmp_path, "--videos", "10", "--classes", "2", "--visual-dim", "4", "--audio-dim", "4")
    assert done.returncode == 0, done.stderr
    assert f"paths.data_dir={tmp_path}" in done.stdout.splitlines()[-1]
    assert UnAV100(root=tmp_path / "unav100").facts().videos == {"train": 6, "validation": 2, "test": 2}
    assert json.loads((tmp_path / "unav100" / "synthetic.json").read_text())["videos"] == 10


def test_the_script_answers_mistakes_with_one_line(script, tmp_path):
    failed = script("--out", tmp_path, "--annotations", tmp_path / "absent.json")
    assert failed.returncode == 2
    assert failed.stderr == f"{tmp_path / 'absent.json'}: cannot be read (No such file or directory)\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not REAL.exists(), reason="the real UnAV-100 annotations lie outside of the repository")
def test_real_annotations_with_planted_features(tmp_path):
    options = replace(TINY, annotations=REAL, videos=20, classes=4)
    write_unav100(tmp_path, options)
    facts = UnAV100(root=tmp_path).facts()
    assert facts.num_classes == 4
    assert sum(facts.videos.values()) == 20
