import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from avel.extraction.encoders.audio_spectrogram import SpectrogramTransformer

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("window", [0.025, 0.1, 0.415])
def test_a_step_is_what_ast_says_of_its_window(folders, window):
    folder, count = folders("ast"), round(window * 16000)
    sound = np.random.default_rng(0).standard_normal(count).astype(np.float32) / 5
    encoder = SpectrogramTransformer(weights=folder, window=window)
    assert (encoder.rate, encoder.width) == (16000, 8)
    processor = transformers.ASTFeatureExtractor.from_pretrained(folder)
    inputs = processor(sound, sampling_rate=16000, return_tensors="pt")
    assert_allclose(encoder.spectrogram(torch.from_numpy(sound[None])), inputs["input_values"], atol=1e-4)
    with torch.inference_mode():
        wanted = transformers.ASTModel.from_pretrained(folder)(**inputs).pooler_output
    assert_allclose(encoder.encode(encoder.preprocess(sound), np.array([[0, count]])), wanted, rtol=1e-3, atol=1e-4)


def test_silence_has_a_spectrum(folders):
    bands = SpectrogramTransformer(weights=folders("ast"), window=0.1).spectrogram(torch.zeros(1, 1600))
    assert bands.isfinite().all()
