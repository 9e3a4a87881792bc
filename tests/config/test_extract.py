"""The configuration of scripts/extract_features.py."""

from inspect import signature

import hydra
import pytest
from hydra.utils import instantiate
from lightning import Trainer

from avel.extraction.pair import ENCODERS, EncoderPair, load_encoders
from avel.naming import class_below
from tests.config.conftest import CONF
from tests.unit.extraction.videos import write_video

NAMES = sorted(path.stem for path in (CONF / "encoder").glob("*.yaml"))


def compose(*overrides):
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("extract", overrides=list(overrides))


PARTS = sorted(str(path.relative_to(CONF / "encoder").with_suffix("")) for path in (CONF / "encoder").glob("*/*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_encoders_are_classes_that_a_checkpoint_may_name(name):
    encoder = compose(f"encoder={name}").encoder
    assert encoder.keys() == {"visual", "audio"}
    assert all(class_below(ENCODERS, part._target_) for part in encoder.values())


@pytest.mark.parametrize("part", PARTS)
def test_every_encoder_is_called_by_the_names_of_its_arguments(part):
    modality, name = part.split("/")
    settings = compose(f"encoder/{modality}={name}").encoder[modality]
    kind = class_below(ENCODERS, settings._target_)
    signature(kind).bind(**{key: value for key, value in settings.items() if key != "_target_"})


def test_encoders_of_two_pairs_are_mixed():
    encoder = compose("encoder/visual=videomae", "encoder/audio=clap", "encoder.visual.hop=0.25").encoder
    assert (encoder.visual._target_.rpartition(".")[2], encoder.audio.hop) == ("VideoMAEPictures", 0.25)
    joint = compose("encoder=pe_av", "encoder.visual.weights=here").encoder
    assert (joint.visual.weights, joint.audio.weights) == ("here", "here")


def test_pretrained_encoders_make_features_of_a_video(tmp_path):
    pytest.importorskip("transformers")
    from tests.unit.extraction.encoders import tiny

    write_video(tmp_path / "a.mkv", [k / 10 for k in range(12)], sound_from=0.0)
    for name in ("clip", "clap"):
        getattr(tiny, name)(tmp_path / name)
    weights = [f"encoder.{part}.weights={tmp_path / name}" for part, name in (("visual", "clip"), ("audio", "clap"))]
    config = compose("encoder=clip_clap", *weights, "encoder.visual.hop=0.25")
    features = EncoderPair(**instantiate(config.encoder, _convert_="all"))(tmp_path / "a.mkv")
    assert (features.visual.shape, features.audio.shape) == ((3, 6), (3, 6))


def test_the_default_builds_and_can_be_built_again():
    config = compose("encoder.visual.hop=0.5", "encoder.visual.window=1.0")
    pair = EncoderPair(**instantiate(config.encoder, _convert_="all"))
    assert (pair.visual.hop, pair.audio.hop, pair.audio.window) == (0.5, 0.5, 1.0)
    assert load_encoders(pair.provenance()).visual == pair.visual
    assert isinstance(instantiate(config.trainer, _convert_="all"), Trainer)
