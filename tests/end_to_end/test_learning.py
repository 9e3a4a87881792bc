"""Every experiment learns a synthetic data set, and seeing and hearing together beats either alone."""

import json

import pytest

from avel.data.synthetic import SyntheticOptions, write_unav100
from tests.end_to_end.conftest import ROOT

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
SMALL = (
    "size=narrow",
    "data.features=one_peace",
    "data.max_length=128",
    "data.loader.batch_size=8",
    "method.pyramid.dim=16",
    "method.pyramid.drop_path=0.05",
    "method.head.dim=32",
    "method.neck_dim=4",
)


@pytest.fixture(scope="session")
def learnable(tmp_path_factory):
    """200 videos of 5 classes that nobody can guess; a minute of training tells many of their events apart."""
    folder = tmp_path_factory.mktemp("learnable")
    options = SyntheticOptions(videos=200, classes=5, visual_dim=16, audio_dim=16, difficulty=0.3)
    write_unav100(folder / "unav100", options)
    return folder


@pytest.fixture
def train(run_py, learnable, tmp_path):
    def train(name, *overrides):
        run = tmp_path / name
        done = run_py(*overrides, *SMALL, f"paths.data_dir={learnable}", f"hydra.run.dir={run}")
        assert done.returncode == 0, done.stderr
        results = json.loads((run / "results.json").read_text())
        return results["metrics"]["test/map"], results["baselines"]

    return train


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_learns(train, experiment):
    score, baselines = train("fit", f"experiment={experiment}", "trainer.max_epochs=10", "untrained=true")
    assert len(baselines) == 2
    assert score > 2 * max(baseline["map"] for baseline in baselines.values())


@pytest.mark.slow
def test_both_modalities_together_beat_each_alone(train):
    score = {
        modality: train(modality, "experiment=unav_unav100", "trainer.max_epochs=10", f"data.modality={modality}")[0]
        for modality in ("both", "audio", "visual")
    }
    assert score["both"] > 1.2 * score["audio"]
    assert score["both"] > 1.2 * score["visual"]
