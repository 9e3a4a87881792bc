import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from avel.errors import UserError
from avel.extraction.encoders.picture_input import PictureInput

transformers = pytest.importorskip("transformers")

CHANNELS = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}


@given(
    height=st.integers(5, 30),
    width=st.integers(5, 30),
    size=st.sampled_from([{"shortest_edge": 9}, {"shortest_edge": 8}, {"height": 9, "width": 12}]),
    crop=st.sampled_from([None, {"height": 8, "width": 8}, {"height": 7, "width": 5}]),
    resample=st.sampled_from([0, 2, 3]),
)
def test_pictures_are_prepared_as_by_transformers(height, width, size, crop, resample):
    picture = np.random.default_rng(height * width).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    options = {"size": size, "crop_size": crop, "resample": resample, **CHANNELS}
    theirs = transformers.CLIPImageProcessorPil(**options, do_center_crop=crop is not None)
    ours = PictureInput.read(options, resample=1)
    assert PictureInput.read(ours.plain(), resample=1) == ours
    found = ours.normalize(torch.from_numpy(ours.cut(picture)), torch.float32)
    assert_allclose(found, np.stack(theirs(list(picture))["pixel_values"]), atol=1e-5)


def test_earlier_forms_are_understood():
    config = {"size": 224, "crop_size": 200, "do_center_crop": True, **CHANNELS}
    found = PictureInput.read(config, resample=3)
    assert (found.size, found.crop_size) == ({"shortest_edge": 224}, {"height": 200, "width": 200})
    assert (found.resample, found.rescale_factor) == (3, 1 / 255)
    assert PictureInput.read(config | {"do_center_crop": None}, resample=3).crop_size is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": None}, "is not that of pictures"),
        ({"size": {"longest_edge": 9}}, "is not that of pictures"),
        ({"image_mean": None}, "is not that of pictures"),
        ({"do_normalize": False}, "do_normalize must not be false"),
        ({"crop_size": 10}, "crop_size=.* is larger than size="),
    ],
)
def test_what_cannot_be_done_is_told(change, message):
    with pytest.raises(UserError, match=message):
        PictureInput.read({"size": 9, "crop_size": 8, **CHANNELS} | change, resample=3)
