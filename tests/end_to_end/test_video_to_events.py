"""From video files to events in videos that nobody annotated: extract, train, localize."""

import json
import runpy
import shutil
import sys

import numpy as np
import pytest
import torch
from lightning import Trainer

import avel
from avel.data.custom import CustomData
from avel.data.module import LoaderOptions
from avel.events import EventTable
from avel.extraction.encoders.spectral import SpectralPictures, SpectralSound
from avel.extraction.job import extract_folder
from avel.extraction.pair import EncoderPair
from avel.methods.unav import UnAV
from avel.tasks.localization import VideoLocalizer
from avel.tasks.localization_job import localize_files
from tests.clips import write_clips
from tests.end_to_end.conftest import ROOT
from tests.unit.methods.narrow import narrow

QUIET = {
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_progress_bar": False,
    "enable_checkpointing": False,
}
pytestmark = pytest.mark.filterwarnings("ignore:.*(drawn by a hash|without events)")


@pytest.fixture(scope="session")
def filmed(tmp_path_factory):
    """12 clips, and one that nobody annotated."""
    folder = tmp_path_factory.mktemp("filmed")
    write_clips(folder, 13)
    (folder / "new").mkdir()
    (folder / "videos" / "clip12.mp4").rename(folder / "new" / "clip12.mp4")
    rows = (folder / "annotations.csv").read_text().splitlines()
    (folder / "annotations.csv").write_text("\n".join(row for row in rows if not row.startswith("clip12")))
    return folder


def test_in_python(filmed, tmp_path):
    encoders = EncoderPair(SpectralPictures(pixels=600), SpectralSound(bands=16))
    extract_folder(filmed / "videos", tmp_path / "features", encoders, Trainer(enable_model_summary=False, **QUIET))
    data = CustomData(
        annotations=filmed / "annotations.csv", feature_dir=tmp_path / "features", loader=LoaderOptions(batch_size=4)
    )
    facts = data.facts()
    method = narrow(
        UnAV,
        num_classes=facts.num_classes,
        visual_dim=facts.visual_dim,
        audio_dim=facts.audio_dim,
        max_length=facts.max_length,
    )
    trainer = Trainer(max_steps=2, enable_model_summary=False, **QUIET)
    trainer.fit(method, data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")

    remembered = torch.load(tmp_path / "last.ckpt", weights_only=True)["data"][""]
    assert remembered == {"class_names": ["blue", "red"], "modality": "both", "features": encoders.provenance()}
    outcome = localize_files([filmed / "new"], VideoLocalizer(tmp_path / "last.ckpt"), tmp_path / "out", threshold=0.0)
    table = EventTable.read_json(tmp_path / "out" / "events.json")
    assert table == avel.localize(filmed / "new" / "clip12.mp4", tmp_path / "last.ckpt")
    assert {event.label for event in table} <= {"blue", "red"}
    assert not outcome.failed
    labels = (tmp_path / "out" / "labels" / "clip12.txt").read_text().splitlines()
    assert len(labels) == len(table) > 0


@pytest.fixture(scope="module")
def extracted(python, filmed):
    """What two processes extract."""
    out = filmed / "features"
    done = python.run("scripts/extract_features.py", filmed / "videos", out, "encoder=spectral", "trainer.devices=2")
    assert done.returncode == 0, done.stderr
    return out, done


@pytest.mark.slow
def test_processes_share_the_files(python, filmed, extracted, tmp_path):
    out, done = extracted
    assert done.stdout.splitlines()[-1] == "Extracted features of 12 files"
    assert "Traceback" not in done.stderr
    alone = python.run("scripts/extract_features.py", filmed / "videos", tmp_path)
    assert alone.returncode == 0, alone.stderr
    one, other = (json.loads((folder / "manifest.json").read_text()) for folder in (out, tmp_path))
    assert one == other
    for path in tmp_path.glob("*.npy"):
        assert np.array_equal(np.load(path), np.load(out / path.name))


@pytest.mark.slow
def test_from_the_command_line(python, filmed, extracted, tmp_path):
    features, run = extracted[0], tmp_path / "run"
    own = ("experiment=unav_custom", "size=narrow", f"data.annotations={filmed / 'annotations.csv'}")
    short = ("trainer.max_epochs=1", "data.loader.batch_size=4")
    done = python.run("run.py", *own, f"data.feature_dir={features}", *short, f"hydra.run.dir={run}")
    assert done.returncode == 0, done.stderr
    checkpoint = run / "checkpoints" / "best.ckpt"

    videos, out = tmp_path / "videos", tmp_path / "out"
    shutil.copytree(filmed / "new", videos)
    (videos / "text.mp4").write_text("no video")
    done = python.run("scripts/localize.py", videos, "--checkpoint", checkpoint, "--out", out)
    assert done.returncode == 1
    assert "Failed: " in done.stdout
    assert "text.mp4" in done.stdout
    assert "Traceback" not in done.stderr
    assert EventTable.read_json(out / "events.json").videos == ["clip12"]
    assert (out / "pages" / "clip12.html").is_file()
    again = python.run("scripts/localize.py", videos, "--checkpoint", checkpoint, "--out", out)
    assert again.returncode == 2
    assert "--force" in again.stderr

    other = tmp_path / "features"
    python.run("scripts/extract_features.py", filmed / "videos", other, "encoder.visual.hop=0.5")
    refused = ("stage=test", f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path / 'refused'}")
    done = python.run("run.py", *own, f"data.feature_dir={other}", *short, *refused)
    assert done.returncode == 2
    assert "encoders.visual.settings.hop: 0.25 (checkpoint), 0.5 (data)" in done.stderr


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs a script in this process; returns exit code and what it says."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / "scripts" / name), run_name="__main__")
        said = capsys.readouterr()
        return stop.value.code, said.out + said.err

    return run


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere", "out"], "nowhere: no such file or folder"),
        (["nowhere", "out", "encoder=nothing"], "encoder=nothing: unknown. Available: clip_ast, "),
        (["nowhere", "out", "encoder.visual.hop=-1"], "hop=-1"),
        (["nowhere", "out", "encoder.audio.hop=1"], "steps at different times"),
        (["nowhere", "out", "overwrit=true"], "overwrit: there is no such key. Did you mean overwrite? "),
    ],
)
def test_mistakes_in_extracting_are_told(script, arguments, expected):
    code, said = script("extract_features.py", *arguments)
    assert code == 2
    assert expected in said
    assert "Error" not in said


def test_broken_files_are_told_at_the_end(script, tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "text.mp4").write_text("no video")
    code, said = script("extract_features.py", tmp_path / "videos", tmp_path / "out")
    assert code == 1
    assert said.splitlines()[-1] == "Extracted features of 0 files, 1 have none"


def test_mistakes_in_localizing_are_told(script, tmp_path):
    options = ("video.mp4", "--checkpoint", tmp_path / "no.ckpt", "--out", tmp_path)
    code, said = script("localize.py", *options)
    assert code == 2
    assert "no.ckpt cannot be opened as a checkpoint" in said
    code, said = script("localize.py", *options, "--weights", "picture=folder")
    assert code == 2
    assert "'picture=folder' is neither visual=PATH nor audio=PATH" in said
