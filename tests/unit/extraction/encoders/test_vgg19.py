import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import functional

from avel.errors import UserError
from avel.extraction.encoder import step_spans
from avel.extraction.encoders.vgg19 import VGG19Maps
from avel.extraction.extract import encode_blocks
from tests.vgg_weights import CONVOLUTIONS, write_keras

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 64, 96, 3), dtype=np.uint8)
"""Of another size than videos are scaled to: maps are 2 x 3."""


@pytest.fixture(scope="module")
def encoder(published):
    return VGG19Maps(weights=published[0] / "vgg19.pth", window=0.5, hop=0.25, frames=2, batch=2)


def plain_maps(weights, pixels):
    """The network, layer by layer: behind the last convolution of a block the numbers leave a gap."""
    for number, following in zip(CONVOLUTIONS, (*CONVOLUTIONS[1:], CONVOLUTIONS[-1] + 3), strict=True):
        layer = weights[f"features.{number}.weight"], weights[f"features.{number}.bias"]
        pixels = functional.relu(functional.conv2d(pixels, *layer, padding=1))
        pixels = functional.max_pool2d(pixels, 2) if following - number == 3 else pixels
    return pixels.permute(0, 2, 3, 1).numpy()


def test_a_step_is_the_mean_of_the_maps_of_its_pictures(encoder, published):
    assert (encoder.rate, encoder.size(640, 360), encoder.shape) == (4, (224, 224), (7, 7, 512))
    pixels = (PICTURES / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    maps = plain_maps(published[1]["vgg19.pth"], torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    steps = encoder.encode(encoder.preprocess(PICTURES), np.array([[0, 2], [1, 3], [2, 5]]))
    assert (steps.shape, steps.dtype) == ((3, 2, 3, 512), np.float32)
    assert steps.std() > 0.01
    wanted = [(maps[0] + maps[1]) / 2, (maps[1] + maps[2]) / 2, maps[2:].mean(axis=0)]
    assert_allclose(steps, np.stack(wanted), rtol=1e-3, atol=1e-4)


def test_chunks_change_nothing(encoder):
    spans = step_spans(encoder, 4)
    whole = encode_blocks(encoder, iter([PICTURES]), spans, chunk=60.0)
    parts = encode_blocks(encoder, iter([PICTURES[:2], PICTURES[2:]]), spans, chunk=0.25)
    assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("names", [("{0}_W_1:0", "{0}_b_1:0"), ("{0}/kernel:0", "{0}/bias:0")])
def test_weights_of_keras_want_other_colours(published, tmp_path, names):
    write_keras(tmp_path / "vgg19.h5", published[1]["vgg19.pth"], names=names)
    encoder = VGG19Maps(weights=tmp_path / "vgg19.h5", pool=True)
    assert (encoder.settings()["preprocessing"], encoder.shape, encoder.rate) == ("caffe", (512,), 16)
    pixels = PICTURES[:1, ..., ::-1] - np.array([103.939, 116.779, 123.68])
    maps = plain_maps(published[1]["vgg19.pth"], torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    assert_allclose(encoder.encode(PICTURES[:1], np.array([[0, 1]])), maps.mean(axis=(1, 2)), rtol=1e-3, atol=1e-3)


def test_colours_are_a_choice(published, encoder):
    named = VGG19Maps(weights=published[0] / "vgg19.h5", preprocessing="torchvision")
    spans = np.array([[0, 1]])
    assert_allclose(named.encode(PICTURES, spans), encoder.encode(PICTURES, spans), rtol=1e-4, atol=1e-5)


def change(published, tmp_path, **tensors):
    """Write VGG-19's weights with some changed, or left out where None."""
    weights = published[1]["vgg19.pth"] | {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    torch.save({name: tensor for name, tensor in weights.items() if tensor is not None}, tmp_path / "changed.pth")
    return tmp_path / "changed.pth"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"features__0__bias": None, "features__10__bias": None}, "lacks features.0.bias, features.10.bias$"),
        ({"features__36__weight": torch.zeros(1)}, r"has unknown features\.36\.weight$"),
        ({"features__0__weight": torch.zeros(64, 1, 3, 3)}, r"has in another shape features\.0\.weight$"),
    ],
)
def test_weights_of_other_networks_are_refused(published, tmp_path, tensors, message):
    with pytest.raises(UserError, match=rf"changed\.pth: holds weights of another network: {message}"):
        VGG19Maps(weights=change(published, tmp_path, **tensors))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frames": 0}, "encoder vgg19: frames=0 must be at least 1"),
        ({"weights": "no.pth"}, r"no\.pth: no such file\. Wanted are .* of Keras .* encoder\.visual\.weights=FILE"),
    ],
)
def test_settings_that_make_no_sense(published, settings, message):
    with pytest.raises(UserError, match=message):
        VGG19Maps(**{"weights": published[0] / "vgg19.pth", **settings})


def test_unknown_colours_are_refused(published):
    with pytest.raises(UserError, match="encoder vgg19: preprocessing=bgr: unknown, choose one of torchvision, caffe"):
        VGG19Maps(weights=published[0] / "vgg19.pth", preprocessing="bgr")
