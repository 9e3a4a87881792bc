"""The configuration of scripts/extract_features.py."""

import hydra
import pytest
from hydra.utils import instantiate
from lightning import Trainer

from avel.extraction.pair import ENCODERS, EncoderPair, load_encoders
from avel.naming import class_below
from tests.config.conftest import CONF

NAMES = sorted(path.stem for path in (CONF / "encoder").glob("*.yaml"))


def compose(*overrides):
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("extract", overrides=list(overrides))


@pytest.mark.parametrize("name", NAMES)
def test_encoders_are_classes_that_a_checkpoint_may_name(name):
    encoder = compose(f"encoder={name}").encoder
    assert encoder.keys() == {"visual", "audio"}
    assert all(class_below(ENCODERS, part._target_) for part in encoder.values())


def test_the_default_builds_and_can_be_built_again():
    config = compose("encoder.visual.hop=0.5", "encoder.visual.window=1.0")
    pair = EncoderPair(**instantiate(config.encoder, _convert_="all"))
    assert (pair.visual.hop, pair.audio.hop, pair.audio.window) == (0.5, 0.5, 1.0)
    assert load_encoders(pair.provenance()).visual == pair.visual
    assert isinstance(instantiate(config.trainer, _convert_="all"), Trainer)
