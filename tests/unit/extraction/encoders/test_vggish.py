import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional

from avel.errors import UserError
from avel.extraction.encoder import step_spans
from avel.extraction.encoders.vgg19 import VGG19Maps
from avel.extraction.encoders.vggish import VGGishSound, log_mel
from avel.extraction.extract import encode_blocks
from avel.extraction.pair import EncoderPair, load_encoders
from tests.vgg_weights import LINEAR, VGGISH

SOUND = (np.random.default_rng(0).standard_normal(36000) * np.geomspace(0.001, 0.5, 36000)).astype(np.float32)


def mel(hertz):
    return 1127 * np.log(1 + hertz / 700)


def slow_log_mel(sound):
    """VGGish's spectra from their definition, frame by frame and band by band, in 64 bits."""
    edges = np.linspace(mel(125), mel(7500), 66)
    frequencies = mel(np.arange(257) * 16000 / 512)
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512)
    spectra = []
    for first in range(0, len(sound) - 399, 160):
        magnitude = np.abs(waves @ (taper * sound[first : first + 400]))
        bands = []
        for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False):
            triangle = np.interp(frequencies, [low, centre, high], [0.0, 1.0, 0.0])
            bands.append(np.log(triangle @ magnitude + 0.01))
        spectra.append(bands)
    return np.array(spectra)


def plain_embedding(weights, sound):
    """The network, layer by layer, without its last activation."""
    maps = torch.from_numpy(slow_log_mel(sound)).float()[None, None]
    for number, following in zip(VGGISH, (*VGGISH[1:], VGGISH[-1] + 3), strict=True):
        layer = weights[f"features.{number}.weight"], weights[f"features.{number}.bias"]
        maps = functional.relu(functional.conv2d(maps, *layer, padding=1))
        maps = functional.max_pool2d(maps, 2) if following - number == 3 else maps
    vector = torch.stack([maps[0, :, time, band] for time in range(6) for band in range(4)]).flatten()
    for number in LINEAR:
        vector = functional.relu(vector) if number else vector
        vector = weights[f"embeddings.{number}.weight"] @ vector + weights[f"embeddings.{number}.bias"]
    return vector.numpy()


@pytest.fixture(scope="module")
def encoder(published):
    return VGGishSound(weights=published[0] / "vggish", hop=0.5)


@pytest.fixture(scope="module")
def raw(published):
    """The plain embedding of the first second."""
    return plain_embedding(published[1]["vggish"], SOUND[:15600])


def test_spectra_are_those_of_the_definition():
    found = log_mel(torch.from_numpy(SOUND[None, :3000]))
    assert found.shape == (1, 17, 64)
    assert_allclose(found[0], slow_log_mel(SOUND[:3000]), rtol=1e-4, atol=1e-4)


def test_a_step_is_what_the_network_says_of_96_spectra(published, encoder, raw):
    assert (encoder.rate, encoder.shape, encoder.context) == (16000, (128,), 0)
    steps = encoder.encode(encoder.preprocess(SOUND), np.array([[0, 16000], [16000, 32000]]))
    second = plain_embedding(published[1]["vggish"], SOUND[16000:31600])
    assert (raw < -0.1).any()
    assert_allclose(steps, np.maximum([raw, second], 0), rtol=1e-3, atol=1e-3)
    before = VGGishSound(weights=published[0] / "vggish" / "vggish.pth", activation="pre")
    assert_allclose(before.encode(SOUND, np.array([[0, 16000]]))[0], raw, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("postprocess", "whole"), [("truncated", np.floor), ("rounded", np.rint)])
def test_whitening_and_8_bits(published, encoder, postprocess, whole):
    spans, held = np.array([[0, 16000]]), published[1]["vggish"]
    embedded = encoder.encode(SOUND, spans)
    whitened = (embedded - held["pca_means"].T) @ held["pca_eigen_vectors"].T
    levels = (np.clip(whitened, -2, 2) + 2) * 255 / 4
    found = VGGishSound(weights=published[0] / "vggish", postprocess=postprocess).encode(SOUND, spans)
    assert len(np.unique(found)) > 5
    exact = np.abs(levels - np.rint(levels * 2) / 2) > 1e-3  # not where float32 decides
    assert_array_equal(found[exact], whole(levels)[exact])


def test_chunks_change_nothing(encoder):
    spans = step_spans(encoder, 3)
    whole = encode_blocks(encoder, iter([SOUND]), spans, chunk=60.0)
    parts = encode_blocks(encoder, iter(np.array_split(SOUND, 5)), spans, chunk=0.5)
    assert_allclose(parts, whole, rtol=1e-4, atol=1e-4)


def test_shorter_windows_look_beyond_their_end(published, encoder):
    shorter = VGGishSound(weights=published[0] / "vggish", window=0.96, hop=0.5)
    assert shorter.context == pytest.approx(0.015)
    spans, before = step_spans(shorter, 3), encoder.encode(SOUND, step_spans(encoder, 3))
    found = encode_blocks(shorter, iter([SOUND]), spans, chunk=0.5)
    assert_allclose(found, before, rtol=1e-4, atol=1e-4)
    ended = encode_blocks(shorter, iter([SOUND[: int(spans[-1, 1])]]), spans, chunk=0.5)
    assert_allclose(ended[:2], before[:2], rtol=1e-4, atol=1e-4)
    silent = np.append(SOUND[: int(spans[-1, 1])], np.zeros(240, np.float32))
    assert_allclose(ended[2:], encoder.encode(silent, spans[2:]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0.9}, r"encoder vggish: window=0\.9 must be 0\.96 to 1\.0 s"),
        ({"activation": "both"}, "encoder vggish: activation=both: unknown, choose one of post, pre"),
        ({"postprocess": "pca"}, "encoder vggish: postprocess=pca: unknown, choose one of truncated, rounded"),
        ({"weights": "model.ckpt"}, r"no such file\. .* TensorFlow cannot be read"),
    ],
)
def test_settings_that_make_no_sense(published, settings, message):
    with pytest.raises(UserError, match=message):
        VGGishSound(**{"weights": published[0] / "vggish", **settings})


def test_postprocessing_needs_components(published):
    with pytest.raises(UserError, match=r"vggish\.pth: .* lacks pca_eigen_vectors, pca_means"):
        VGGishSound(weights=published[0] / "vggish" / "vggish.pth", postprocess="rounded")


def test_what_a_manifest_remembers_builds_the_encoders_again(published, encoder):
    folder, spans = published[0], np.array([[0, 16000]])
    pair = EncoderPair(VGG19Maps(weights=folder / "vgg19.h5", hop=0.5, frames=2), encoder)
    stated = json.loads(json.dumps(pair.provenance()))
    assert stated["encoders"]["audio"]["weights"]["from"] == str(folder / "vggish")
    again = load_encoders(stated)
    assert again.visual.settings() == pair.visual.settings()
    assert_array_equal(again.audio.encode(SOUND, spans), encoder.encode(SOUND, spans))
    stated["encoders"]["audio"]["weights"]["from"] = "elsewhere"
    with pytest.raises(UserError, match=r"elsewhere: no such file[\s\S]*weights audio=PATH"):
        load_encoders(stated)


def test_whitening_is_as_precise_in_half_precision(published):
    half = VGGishSound(weights=published[0] / "vggish", postprocess="rounded", precision="bfloat16")
    assert {tensor.dtype for tensor in half.network.state_dict().values()} == {torch.bfloat16}
    assert {tensor.dtype for tensor in half.quantize.state_dict().values()} == {torch.float32}
