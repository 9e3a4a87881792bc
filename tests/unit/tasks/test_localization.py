import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import avel
from avel.batch import TimeGrid
from avel.decoding.dense import DenseDecoder
from avel.decoding.detections import Detections
from avel.errors import UserError
from avel.extraction.encoders.spectral import SpectralPictures, SpectralSound
from avel.extraction.extract import Features
from avel.extraction.manifest import versions
from avel.extraction.pair import EncoderPair
from avel.extraction.records import digest
from avel.methods.unav import UnAV
from avel.tasks.localization import STRETCH, VideoLocalizer, localize
from tests.unit.extraction.videos import write_video
from tests.unit.methods.narrow import narrow
from tests.unit.tasks.clips import Toy

PAIR = EncoderPair(SpectralPictures(pixels=300), SpectralSound(bands=8))
MEMORY = {"class_names": ["dog", "cat", "owl"], "modality": "both", "features": PAIR.provenance()}


def write_checkpoint(path, data, method=None):
    torch.manual_seed(0)
    method = method or narrow(UnAV, visual_dim=PAIR.visual.width, audio_dim=PAIR.audio.width)
    checkpoint = {"state_dict": method.state_dict(), "data": data}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("localization")
    write_video(folder / "clip.mkv", [k / 10 for k in range(50)], sound_from=0.0)
    write_checkpoint(folder / "best.ckpt", {"": MEMORY})
    return folder


def test_a_short_video_gives_what_the_method_finds_in_its_features(folder):
    localizer = VideoLocalizer(folder / "best.ckpt")
    shares = []
    found = localizer(folder / "clip.mkv", progress=shares.append)
    assert (found.video, found.duration) == ("clip", 5.0)
    assert shares[-1] == 1
    features = PAIR(folder / "clip.mkv")
    (expected,) = localizer.method.localize(batch_of(features))
    assert [event.score for event in found.events] == sorted((s for _, s, _ in expected.rows()), reverse=True)
    assert {(e.start, e.end, e.score, e.label) for e in found.events} == {
        (start, end, score, MEMORY["class_names"][label]) for (start, end), score, label in expected.rows()
    }
    assert all(0 <= event.start < event.end <= 5 for event in found.events)


def batch_of(features):
    grid = TimeGrid(fps=8, stride=2, window=4)
    visual, audio = torch.from_numpy(features.visual)[None], torch.from_numpy(features.audio)[None]
    mask = torch.ones(visual.shape[:2], dtype=torch.bool)
    events = torch.zeros(1, 0, 2), torch.zeros(1, 0, dtype=torch.int64)
    durations = torch.tensor([features.duration], dtype=torch.float64)
    return avel.batch.Batch(["clip"], visual, audio, mask, *events, durations, [grid])


def test_from_python(folder):
    table = avel.localize(str(folder / "clip.mkv"), str(folder / "best.ckpt"))
    assert table.videos == ["clip"]
    assert len(table) > 10
    middle = table.events[len(table) // 2].score
    assert localize(folder / "clip.mkv", folder / "best.ckpt", threshold=middle) == table.above(middle)
    assert len(table.above(middle)) < len(table)


def test_importing_the_package_imports_little():
    code = "import sys, avel; print({'torch', 'numpy', 'av', 'lightning'} & {*sys.modules}, avel.__version__)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("set() ")
    with pytest.raises(AttributeError, match="'avel' has no attribute 'nothing'"):
        avel.nothing  # noqa: B018


class Marks:
    """Finds an event of class 1 wherever a picture is marked; what it sees must not be longer than it is told."""

    max_length = 10

    def localize(self, batch):
        assert batch.mask.shape[1] <= STRETCH * self.max_length
        (places,) = batch.visual[0, :, 0].nonzero(as_tuple=True)
        spans = torch.stack([places - 1.5, places + 2.5], dim=1)
        seconds = batch.grids[0].to_seconds(spans.double()).clamp(min=0).minimum(batch.durations[0])
        return [Detections(seconds, batch.visual[0, places, 0], torch.ones(len(places), dtype=torch.int64))]


@pytest.mark.parametrize("steps", [1, 79, 80, 81, 140, 200, 1000])
def test_a_long_video_is_seen_in_stretches_that_overlap(folder, steps):
    localizer = VideoLocalizer(folder / "best.ckpt")
    localizer.method = Marks()
    marks = np.arange(1, steps + 1, dtype=np.float32)[:, None]
    features = Features(marks, np.zeros((steps, 1), np.float32), duration=steps * 0.25 + 0.5)
    events = list(localizer.events("v", features))
    assert [event.score for event in events] == marks[:, 0].tolist()
    for step, event in enumerate(events):
        assert event.label == "cat"
        assert event.start == pytest.approx(max(0.25 * (step - 1.5) + 0.25, 0))
        assert event.end == pytest.approx(min(0.25 * (step + 2.5) + 0.25, features.duration))


def test_a_modality_that_was_zeroed_in_training_is_zeroed(folder, tmp_path):
    deaf = VideoLocalizer(write_checkpoint(tmp_path / "deaf.ckpt", {"": MEMORY | {"modality": "visual"}}))
    features = PAIR(folder / "clip.mkv")
    without = replace(features, audio=np.zeros_like(features.audio))
    assert list(deaf.events("clip", features)) == list(VideoLocalizer(folder / "best.ckpt").events("clip", without))


def test_one_of_several_tasks_is_chosen(folder, tmp_path):
    known = {"sounds": MEMORY, "actions": MEMORY, "published": {"class_names": ["a"], "features": {}}}
    path = write_checkpoint(tmp_path / "several.ckpt", known)
    with pytest.raises(UserError, match="several tasks, choose one: sounds, actions$"):
        VideoLocalizer(path)
    with pytest.raises(UserError, match="no task 'published' for videos; there is sounds, actions$"):
        VideoLocalizer(path, task="published")
    chosen = VideoLocalizer(path, task="actions")
    assert chosen.task == "actions"
    assert chosen.provenance() == {
        "checkpoint": digest(path),
        "task": "actions",
        "device": "cpu",
        "versions": versions(),
    }


@pytest.mark.parametrize("data", [{}, {"": {}}, {"": {"class_names": ["dog"], "features": {}}}])
def test_a_checkpoint_without_encoders_says_what_to_do(data, tmp_path):
    path = write_checkpoint(tmp_path / "published.ckpt", data)
    with pytest.raises(UserError, match=r"published.ckpt: does not say how .*extract_features.py"):
        VideoLocalizer(path)


def test_weights_that_lie_elsewhere_are_only_for_encoders_that_have_some(folder):
    with pytest.raises(UserError, match=r"best.ckpt: encoder .*SpectralSound: has no weights that could lie in moved"):
        VideoLocalizer(folder / "best.ckpt", weights={"audio": "moved"})


def test_no_code_of_a_file_is_run(tmp_path):
    harmful = {"class": "subprocess.Popen", "settings": {"args": ["touch", str(tmp_path / "harm")]}}
    features = MEMORY["features"] | {"encoders": {"visual": harmful, "audio": harmful}}
    path = write_checkpoint(tmp_path / "bad.ckpt", {"": MEMORY | {"features": features}})
    with pytest.raises(UserError, match="bad.ckpt: encoder 'subprocess.Popen': is not one of avel"):
        VideoLocalizer(path)
    assert not (tmp_path / "harm").exists()


def test_other_methods_and_devices_are_refused(tmp_path, monkeypatch):
    path = write_checkpoint(
        tmp_path / "classes.ckpt",
        {"": MEMORY},
        narrow(UnAV, visual_dim=PAIR.visual.width, decoder=DenseDecoder(class_scores="other.json")),
    )
    with pytest.raises(UserError, match="classes of its events from a file"):
        VideoLocalizer(path)
    with pytest.raises(UserError, match="--device=teapot"):
        VideoLocalizer(path, device="teapot")
    monkeypatch.setattr(sys.modules["avel.tasks.rebuilding"], "METHODS", "tests.unit.tasks")
    with pytest.raises(UserError, match="Toy works on clips of one length.*experiment=ccnet_custom"):
        VideoLocalizer(write_checkpoint(tmp_path / "toy.ckpt", {"": MEMORY}, Toy()))
