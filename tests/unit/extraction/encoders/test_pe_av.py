import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from avel.errors import UserError
from avel.extraction.encoders import pe_av
from avel.extraction.encoders.pe_av import PEPictures, PESound

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("count", [160, 159])
def test_sound_is_what_pe_av_says_of_its_window(tmp_path, count):
    from tests.unit.extraction.encoders import tiny

    network = tiny.pe_av(tmp_path)
    sound = np.random.default_rng(0).standard_normal(count).astype(np.float32) / 5
    encoder = PESound(weights=tmp_path, window=count / 1600)
    assert (encoder.rate, encoder.width) == (1600, 8)
    processor = transformers.PeAudioFeatureExtractor.from_pretrained(tmp_path)
    with torch.inference_mode():
        wanted = network.get_audio_embeds(**processor(sound, sampling_rate=1600, return_tensors="pt"))
    assert_allclose(encoder.encode(encoder.preprocess(sound), np.array([[0, count]])), wanted, rtol=1e-4, atol=1e-5)


def test_pictures_are_what_pe_av_says_of_its_window(tmp_path):
    pytest.importorskip("timm", exc_type=ImportError)
    from tests.unit.extraction.encoders import tiny

    size = {"depth": 1, "embed_dim": 16, "num_heads": 2, "img_size": 32}
    vision = {"architecture": "vit_pe_core_tiny_patch16_384", "global_pool": "map", "model_args": size}
    network = tiny.pe_av(tmp_path, transformers.TimmWrapperConfig(**vision, num_classes=6, label_names=[*"abcdef"]))
    steps = dict.fromkeys(("do_resize", "do_rescale", "do_normalize"), True)
    channels = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    processor = transformers.PeVideoVideoProcessor(size={"height": 32, "width": 32}, **channels, **steps)
    processor.save_pretrained(tmp_path)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    encoder = PEPictures(weights=tmp_path, frames=3, window=1.5)
    assert (encoder.rate, encoder.width) == (2, 8)
    inputs = processor(torch.from_numpy(pictures).movedim(-1, 1), return_tensors="pt")
    with torch.inference_mode():
        seen = network.video_model.video_encoder(**inputs).pooler_output
        wanted = network.video_model.video_head(seen)
    # torchvision rounds some pixels to the next number
    assert_allclose(encoder.encode(encoder.preprocess(pictures), np.array([[0, 3]])), wanted, atol=2e-3)


def test_a_window_holds_a_frame_of_the_codec(folders):
    with pytest.raises(UserError, match=r"encoder pe_av_sound: window=0\.002 must be at least 0\.0025 s"):
        PESound(weights=folders("pe_av"), window=0.002)


def test_timm_may_be_missing(folders, monkeypatch):
    monkeypatch.setattr(pe_av, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package timm: pip install -e '\.\[pe-av\]'"):
        PEPictures(weights=folders("pe_av"))
