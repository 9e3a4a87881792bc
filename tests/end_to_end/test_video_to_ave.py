"""From video files to the features of AVE and a method that learns from them."""

import runpy
import shutil
import sys
from contextlib import suppress

import numpy as np
import pytest
from lightning import Trainer

from avel.data.ave import AVE
from avel.data.module import LoaderOptions
from avel.methods.av_att import AVAtt
from tests.end_to_end.conftest import ROOT
from tests.unit.data.ave_files import write_h5
from tests.unit.extraction.videos import write_video
from tests.vgg_weights import write_keras, write_torchvision, write_vggish

VIDEOS, SECONDS = ("a", "b"), 2
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 8000 * SECONDS))


@pytest.fixture
def filmed(tmp_path):
    """Videos with the annotations and splits of AVE, and weights like the published ones."""
    for folder in ("videos", "weights", "ave"):
        (tmp_path / folder).mkdir()
    for video in VIDEOS:
        write_video(tmp_path / "videos" / f"{video}.mkv", np.arange(0, SECONDS, 0.1), sound=NOISE, sound_from=0.0)
    (tmp_path / "ave" / "Annotations.txt").write_text("Bark&b&good&0&2\nBell&a&good&1&2\nBark&b&good&0&1\n")
    for split, rows in (("train", [0, 1]), ("val", [1]), ("test", [2])):
        write_h5(tmp_path / "ave" / f"{split}_order.h5", np.array(rows), key="order")
    write_keras(tmp_path / "weights" / "vgg19.h5", write_torchvision(tmp_path / "weights" / "vgg19.pth"))
    write_vggish(tmp_path / "weights" / "vggish.pth")
    yield tmp_path
    shutil.rmtree(tmp_path / "weights")


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs a script in this process; returns what it says."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with suppress(SystemExit):
            runpy.run_path(str(ROOT / "scripts" / name), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.slow  # forty billion multiplications
@pytest.mark.filterwarnings("ignore:.*video ids are both in")
def test_features_of_videos_train_a_method_for_ave(filmed, script):
    weights = [
        f"encoder.{part}.weights={filmed / 'weights' / file}"
        for part, file in (("visual", "vgg19.h5"), ("audio", "vggish.pth"))
    ]
    places = filmed / "videos", filmed / "features"
    script("extract_features.py", *places, "encoder=vgg19_vggish", "encoder.visual.frames=1", *weights)
    features = np.load(filmed / "features" / "a_visual.npy")
    assert (features.shape, features.dtype) == ((SECONDS, 7, 7, 512), np.float32)
    said = script("make_ave_features.py", filmed / "features", filmed / "ave", "--snippets", SECONDS)
    assert f"Wrote {filmed / 'ave' / 'visual_feature.h5'}" in said

    data = AVE(root=filmed / "ave", loader=LoaderOptions(batch_size=2))
    facts = data.facts()
    assert (facts.visual_dim, facts.positions, facts.audio_dim, facts.snippets) == (512, 49, 128, SECONDS)
    assert np.array_equal(data.dataset("train", training=False)[1].visual, features)
    method = AVAtt(num_classes=2, visual_dim=512, audio_dim=128, attention_dim=4, lstm_dim=4, classifier_dim=4)
    trainer = Trainer(
        max_steps=1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(method, data)
    assert trainer.global_step == 1
