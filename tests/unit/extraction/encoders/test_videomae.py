import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from avel.extraction.encoders.videomae import VideoMAEPictures
from tests.unit.extraction.encoders.test_clip import PICTURES

transformers = pytest.importorskip("transformers")


def inputs_of(folder, pictures):
    return transformers.VideoMAEImageProcessorPil.from_pretrained(folder)(list(pictures), return_tensors="pt")


def encode(folder, pictures):
    encoder = VideoMAEPictures(weights=folder, frames=len(pictures), window=0.5)
    assert (encoder.rate, encoder.width) == (2 * len(pictures), 8)
    return encoder.encode(encoder.preprocess(pictures), np.array([[0, len(pictures)]]))


def test_a_fine_tuned_one_gives_what_its_classifier_decides_by(folders):
    folder = folders("videomae")
    classifier = transformers.VideoMAEForVideoClassification.from_pretrained(folder)
    with torch.inference_mode():
        scores = classifier(**inputs_of(folder, PICTURES)).logits
        assert_allclose(classifier.classifier(torch.from_numpy(encode(folder, PICTURES))), scores, rtol=1e-4, atol=1e-5)


def test_one_that_is_only_pretrained_gives_the_mean_of_its_tokens(tmp_path):
    from tests.unit.extraction.encoders import tiny

    network = tiny.videomae(tmp_path, fine_tuned=False)
    with torch.inference_mode():
        wanted = network(**inputs_of(tmp_path, PICTURES)).last_hidden_state.mean(dim=1)
    assert_allclose(encode(tmp_path, PICTURES), wanted, rtol=1e-4, atol=1e-5)


def test_fewer_frames_than_it_learned_from(folders):
    assert encode(folders("videomae"), PICTURES[:2]).shape == (1, 8)
