"""A model that knows classes by prompts is asked for others than it was trained on, from the command line."""

import json
import runpy
import subprocess
import sys

import numpy as np
import pytest

from avel.events import EventTable
from tests.end_to_end.conftest import ROOT
from tests.synthetic import TINY

SCRIPT = ROOT / "scripts" / "make_prompts.py"

ENCODER = """
import sys

import numpy as np


def encode(sentences):
    assert "transformers" not in sys.modules
    return np.stack([np.random.default_rng(list(sentence.encode())).normal(size=64) for sentence in sentences])
"""


@pytest.fixture(scope="module")
def trained(run_py, data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit") / "run"
    few = ("trainer.max_epochs=1", "+trainer.limit_train_batches=1")
    done = run_py("experiment=uniav_unav100", *TINY, f"paths.data_dir={data_dir}", *few, f"hydra.run.dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder / "checkpoints" / "best.ckpt"


@pytest.fixture
def unlabelled(data_dir, tmp_path):
    """The test videos alone, without events and prompts."""
    root = tmp_path / "unlabelled" / "unav100"
    (root / "annotations").mkdir(parents=True)
    (root / "av_features").symlink_to(data_dir / "unav100" / "av_features")
    database = json.loads((data_dir / "unav100/annotations/unav100_annotations.json").read_text())["database"]
    videos = {video: entry | {"annotations": []} for video, entry in database.items() if entry["subset"] == "test"}
    (root / "annotations" / "unav100_annotations.json").write_text(json.dumps({"database": videos}))
    return root.parent


def test_classes_of_one_s_own_are_found(trained, unlabelled, run_py, tmp_path):
    (tmp_path / "mine.py").write_text(ENCODER)
    command = [sys.executable, SCRIPT, "mine.npy", "--encoder", "mine:encode", "--classes", "night owl", "man talking"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "wrote mine.npy (2, 64) and mine.json" in done.stdout
    about = json.loads((tmp_path / "mine.json").read_text())
    assert about == {
        "classes": ["night owl", "man talking"],
        "sentences": ["An audio visual event of night owl.", "An audio visual event of man talking."],
        "encoder": "mine:encode",
    }
    np.testing.assert_allclose(np.linalg.norm(np.load(tmp_path / "mine.npy"), axis=1), 1, rtol=1e-6)

    options = ("experiment=uniav_unav100", *TINY, f"paths.data_dir={unlabelled}", f"ckpt_path={trained}")
    classes = "data.class_names=['man talking','night owl']"
    file = f"method.tasks.unav100.prompts={tmp_path / 'mine.npy'}"
    done = run_py(*options, "stage=predict", classes, file, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "unav100: looks for 1 of the checkpoint's 3 classes and 1 new ones: 'night owl' (offsets of '" in done.stdout
    predicted = EventTable.read_json(tmp_path / "run" / "predictions" / "test.json")
    assert {event.label for event in predicted} == {"man talking", "night owl"}

    # what the checkpoint knows needs no file
    done = run_py(*options, "stage=predict", "data.class_names=['dog barking']", f"hydra.run.dir={tmp_path / 'known'}")
    assert done.returncode == 0, done.stderr
    assert "unav100: looks for 1 of the checkpoint's 3 classes" in done.stdout
    assert "prompt_dim" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("there.npy", "--encoder=x:y", "--classes", "a"), "there.npy: is there already; --force replaces it"),
        (("new.npz", "--encoder=x:y", "--classes", "a"), "new.npz: must end with .npy"),
        (("new.npy", "--encoder=no_module:y", "--classes", "a"), "--encoder=no_module:y: No module named 'no_module'"),
        (("new.npy", "--encoder=x:y", "--classes-from", "absent.txt"), "absent.txt: cannot be read"),
    ],
)
def test_mistakes_of_the_script_are_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / "there.npy").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    monkeypatch.setattr(sys, "path", sys.path.copy())
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(SCRIPT), run_name="__main__")
    told = capsys.readouterr().err
    assert told.startswith(message)
    assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there.npy"]


def test_without_a_checkpoint_prompts_must_be_there(data_dir, run_py, tmp_path):
    options = ("experiment=uniav_unav100", *TINY, f"paths.data_dir={data_dir}", f"hydra.run.dir={tmp_path / 'run'}")
    done = run_py(*options, "method.tasks.unav100.prompts=absent.npy")
    assert done.returncode == 2
    assert done.stderr.startswith("error: absent.npy: there is no such file of prompts")
    assert not (tmp_path / "run").exists()
