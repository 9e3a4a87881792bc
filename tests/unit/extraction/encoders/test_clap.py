import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from avel.extraction.encoders.clap import ClapSound

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("window", [0.3, 1.0])
@pytest.mark.parametrize(
    ("fusion", "padding"), [(False, "repeatpad"), (False, "repeat"), (False, "pad"), (True, "repeatpad")]
)
def test_a_step_is_what_clap_says_of_its_window(tmp_path, fusion, padding, window):
    from tests.unit.extraction.encoders import tiny

    network, count = tiny.clap(tmp_path, fusion=fusion, padding=padding), round(window * 1600)
    sound = np.random.default_rng(0).standard_normal(count).astype(np.float32) / 5
    encoder = ClapSound(weights=tmp_path, window=window)
    assert (encoder.rate, encoder.width) == (1600, 6)
    processor = transformers.ClapFeatureExtractor.from_pretrained(tmp_path)
    inputs = processor(sound, sampling_rate=1600, return_tensors="pt")
    inputs["is_longer"][:] = False  # it chooses one by chance
    assert_allclose(encoder.spectrogram(torch.from_numpy(sound[None])), inputs["input_features"], atol=1e-3)
    with torch.inference_mode():
        wanted = network.get_audio_features(**inputs).pooler_output
    (found,) = encoder.encode(encoder.preprocess(sound), np.array([[0, count]]))
    assert_allclose(found / np.linalg.norm(found), wanted[0], rtol=1e-3, atol=1e-4)
