import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from avel.extraction.encoders.clip import ClipPictures

transformers = pytest.importorskip("transformers")

PICTURES = np.random.default_rng(0).integers(0, 256, (4, 12, 20, 3), dtype=np.uint8)


def test_a_step_is_the_mean_of_what_clip_says_of_its_pictures(folders):
    folder = folders("clip")
    encoder = ClipPictures(weights=folder, frames=2, window=1.0, hop=0.5)
    assert (encoder.rate, encoder.width, encoder.size(40, 30)) == (2, 6, (40, 30))
    inputs = transformers.CLIPImageProcessorPil.from_pretrained(folder)(list(PICTURES), return_tensors="pt")
    with torch.inference_mode():
        wanted = transformers.CLIPModel.from_pretrained(folder).get_image_features(**inputs).pooler_output.numpy()
    steps = encoder.encode(encoder.preprocess(PICTURES), np.array([[0, 2], [1, 3], [2, 4]]))
    assert_allclose(steps, (wanted[:-1] + wanted[1:]) / 2, rtol=1e-4, atol=1e-5)
