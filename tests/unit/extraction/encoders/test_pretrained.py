"""What all encoders that are pretrained networks have in common."""

import json
import shutil

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from avel.errors import UserError
from avel.extraction.encoder import step_spans
from avel.extraction.encoders.audio_spectrogram import SpectrogramTransformer
from avel.extraction.encoders.clap import ClapSound
from avel.extraction.encoders.clip import ClipPictures
from avel.extraction.encoders.pe_av import PESound
from avel.extraction.encoders.videomae import VideoMAEPictures
from avel.extraction.extract import encode_blocks
from avel.extraction.pair import EncoderPair, load_encoders
from avel.provenance import differences

safetensors = pytest.importorskip("safetensors.torch")

TIMES = {"window": 0.3, "hop": 0.2}
KINDS = {
    "clip": (ClipPictures, {"frames": 3}),
    "videomae": (VideoMAEPictures, {"frames": 4}),
    "ast": (SpectrogramTransformer, {}),
    "clap": (ClapSound, {}),
    "pe_av": (PESound, {}),
}
NAMES = pytest.mark.parametrize("name", KINDS)
STEPS = 5


def build(name, folder, **changes):
    kind, options = KINDS[name]
    return kind(**{"weights": folder, **TIMES, **options, **changes})


def samples(encoder, count):
    random = np.random.default_rng(0)
    if encoder.name in ("clip", "videomae"):
        return random.integers(0, 256, (count, 12, 20, 3), dtype=np.uint8)
    return random.standard_normal(count).astype(np.float32) / 5


def encoded(encoder, *, chunk=60.0):
    spans = step_spans(encoder, STEPS)
    kept = encoder.preprocess(samples(encoder, int(spans[-1, 1])))
    return encode_blocks(encoder, iter([kept[:7], kept[7:]]), spans, chunk=chunk)


@NAMES
def test_chunks_and_batches_change_nothing(folders, name):
    whole = encoded(build(name, folders(name)))
    assert (whole.shape, whole.dtype) == ((STEPS, build(name, folders(name)).width), np.float32)
    assert len(np.unique(whole[:, 0])) == STEPS
    for batch, chunk in ((1, 60.0), (2, 0.4), (3, 0.2)):
        assert_allclose(encoded(build(name, folders(name), batch=batch), chunk=chunk), whole, rtol=1e-4, atol=1e-5)


@NAMES
def test_a_step_sees_its_window_alone(folders, name):
    encoder = build(name, folders(name))
    spans = step_spans(encoder, STEPS)
    kept = encoder.preprocess(samples(encoder, int(spans[-1, 1])))
    first, end = spans[2]
    alone = encoder.encode(kept[first:end], np.array([[0, end - first]]))
    assert_allclose(encoder.encode(kept, spans)[2:3], alone, rtol=1e-4, atol=1e-5)


@NAMES
def test_settings_build_the_same_encoder(folders, name):
    encoder = build(name, folders(name))
    settings = json.loads(json.dumps(encoder.settings()))
    again = type(encoder)(**settings)
    assert again.settings() == encoder.settings()
    assert_array_equal(encoded(again), encoded(encoder))
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(module.training for module in encoder.modules())


@NAMES
def test_precision(folders, name):
    exact, coarse = (build(name, folders(name), precision=p) for p in ("float32", "bfloat16"))
    assert_allclose(encoded(coarse), encoded(exact), atol=0.1 * np.abs(encoded(exact)).max())
    assert next(coarse.parameters()).dtype == torch.bfloat16
    assert coarse.settings() == exact.settings() | {"precision": "bfloat16"}


@NAMES
def test_other_weights_and_what_is_no_such_network_are_refused(folders, name, tmp_path):
    with pytest.raises(UserError, match=r"is a model of type '.*', but '.*' is needed"):
        build(name, folders("clip" if name == "clap" else "clap"))
    shutil.copytree(folders(name), tmp_path / "cut")
    change_weights(tmp_path / "cut", lambda weights: {key: weights[key] for key in sorted(weights)[::2]})
    with pytest.raises(UserError, match=r"weights=.*cut: lacks \d+ weights of "):
        build(name, tmp_path / "cut")
    next((tmp_path / "cut").glob("preprocessor_config.json")).unlink()
    with pytest.raises(UserError, match=r"has no preprocessor_config\.json, which says how"):
        build(name, tmp_path / "cut")


def change_weights(folder, change):
    weights = safetensors.load_file(folder / "model.safetensors")
    safetensors.save_file(change(weights), folder / "model.safetensors", metadata={"format": "pt"})


def change_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def pair(folders, tmp_path):
    """CLIP and CLAP with weights in folders `clip` and `clap`."""
    for name in ("clip", "clap"):
        shutil.copytree(folders(name), tmp_path / name)
    return EncoderPair(build("clip", tmp_path / "clip"), build("clap", tmp_path / "clap"))


def test_what_a_manifest_remembers_builds_the_encoders_again(pair):
    stated = pair.provenance()
    assert "weights" not in stated["encoders"]["visual"]["settings"]
    again = load_encoders(json.loads(json.dumps(stated)))
    assert_array_equal(encoded(again.visual), encoded(pair.visual))
    assert_array_equal(encoded(again.audio), encoded(pair.audio))


def test_weights_that_lie_elsewhere_by_now(pair, tmp_path):
    stated = pair.provenance()
    (tmp_path / "clip").rename(tmp_path / "moved")
    message = r"weights=.*clip: cannot be loaded[\s\S]*elsewhere by now, say where: weights visual=PATH"
    with pytest.raises(UserError, match=message):
        load_encoders(stated)
    assert load_encoders(stated, weights={"visual": tmp_path / "moved"}).visual.weights == str(tmp_path / "moved")
    with pytest.raises(UserError, match="weights of video: there are encoders visual and audio"):
        load_encoders(stated, weights={"video": tmp_path / "moved"})


def test_changed_weights_are_refused_and_both_are_shown(pair, tmp_path):
    stated = pair.provenance()
    change_weights(tmp_path / "clip", lambda weights: {key: value + 1 for key, value in weights.items()})
    hashed = stated["encoders"]["visual"]["weights"]["blake2b"]
    with pytest.raises(UserError, match=rf"encoders\.visual\.weights\.blake2b: {hashed} \(then\), [0-9a-f]+ \(now\)"):
        load_encoders(stated)


def test_a_changed_architecture_counts_as_other_weights(pair, tmp_path):
    stated, path = pair.provenance(), tmp_path / "clip" / "config.json"
    change_json(path, transformers_version="5.0.0", architectures=["CLIPVisionModel"])
    assert load_encoders(stated)
    change_json(path, vision_config=json.loads(path.read_text())["vision_config"] | {"hidden_act": "relu"})
    with pytest.raises(UserError, match="visual.weights.blake2b"):
        load_encoders(stated)


def test_a_changed_preprocessing_is_noticed_and_a_manifest_keeps_its_own(pair, tmp_path):
    stated = pair.provenance()
    change_json(tmp_path / "clip" / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5])
    changed = EncoderPair(build("clip", tmp_path / "clip"), pair.audio)
    assert [*differences(stated, changed.provenance())] == ["encoders.visual.settings.preprocessing.image_mean"]
    assert_array_equal(encoded(load_encoders(stated).visual), encoded(pair.visual))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("clip", {"window": 0.0}, r"encoder clip: window=0\.0 and hop=0\.2 must be above 0 s"),
        ("clip", {"precision": "float8"}, "precision='float8' must be one of float32, bfloat16, float16"),
        ("clap", {"batch": 0}, "batch=0 must be at least 1"),
        ("clip", {"frames": 0}, "frames=0 must be at least 1"),
        ("videomae", {"frames": 3}, "frames=3 must be a multiple of 2"),
        ("ast", {"window": 0.01}, r"window=0\.01 must be 0\.025 to 0\.415 s"),
        ("ast", {"window": 0.5}, r"window=0\.5 must be 0\.025 to 0\.415 s"),
        ("clap", {"window": 1.5}, r"window=1\.5 must be at most 1 s"),
        ("clap", {"preprocessing": {"padding": "pad"}}, "does not say sampling_rate, feature_size"),
        ("clip", {"preprocessing": {"size": 8}}, "is not that of pictures"),
    ],
)
def test_settings_that_make_no_sense(folders, name, settings, message):
    with pytest.raises(UserError, match=message):
        build(name, folders(name), **settings)
