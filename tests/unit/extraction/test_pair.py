import pytest
import torch
from torch import nn

from avel.errors import UserError
from avel.extraction import pair as pair_module
from avel.extraction.encoders.spectral import SpectralPictures, SpectralSound
from avel.extraction.pair import EncoderPair, load_encoders
from avel.provenance import differences, show_differences
from tests.unit.extraction.test_extract import Mean
from tests.unit.extraction.videos import write_video


class Network(nn.Module):
    """An encoder with weights, which come from somewhere: as many as that has letters."""

    name, rate, shape, window, hop, context = "network", 10.0, (2,), 0.4, 0.2, 0.0
    size, preprocess = Mean.size, Mean.preprocess

    def __init__(self, *, weights, gain=1.0):
        super().__init__()
        self.weights, self.gain = weights, gain
        self.layer = nn.Linear(1, 2)
        nn.init.constant_(self.layer.weight, len(weights))
        nn.init.zeros_(self.layer.bias)

    def settings(self):
        return {"weights": self.weights, "gain": self.gain}

    def encode(self, samples, spans):
        means = torch.tensor([[samples[first:end].mean()] for first, end in spans], dtype=torch.float32)
        return self.layer(means.to(self.layer.weight.device)).numpy()


def test_what_a_manifest_remembers_builds_the_encoders_again():
    pair = EncoderPair(SpectralPictures(hop=0.5, pixels=600), SpectralSound(hop=0.5, bands=8))
    stated = pair.provenance()
    assert (stated["fps"], stated["stride"], stated["window"]) == (8, 4, 4)
    again = load_encoders(stated)
    assert (again.visual, again.audio) == (pair.visual, pair.audio)


def test_encoders_that_are_networks_run_without_gradients_and_move(tmp_path):
    write_video(tmp_path / "a.mkv", [k / 10 for k in range(12)], sound_from=0.0)
    pair = EncoderPair(Network(weights="here"), Mean(rate=8000.0))
    assert pair(tmp_path / "a.mkv").visual.shape == (5, 2)
    assert pair.to("meta").visual.layer.weight.is_meta


def test_weights_count_and_not_where_they_lie(monkeypatch):
    monkeypatch.setattr(pair_module, "ENCODERS", "tests.unit.extraction")
    here, there, other = (EncoderPair(Network(weights=w), Mean()).provenance() for w in ("/a", "/b", "/weights"))
    described = here["encoders"]["visual"]
    assert (described["settings"], described["weights"]["from"]) == ({"gain": 1.0}, "/a")
    assert not show_differences(here, there, ("", ""))
    assert [*differences(here, other)] == ["encoders.visual.weights.blake2b"]
    assert load_encoders(here).visual.weights == "/a"
    described["weights"]["from"] = "/changed since"
    with pytest.raises(UserError, match="other features now than then:\n  encoders.visual.weights.blake2b"):
        load_encoders(here)


def test_encoders_of_others_extract_but_are_not_built_for_the_sake_of_a_file():
    stated = EncoderPair(Mean(), Mean()).provenance()
    assert stated["encoders"]["visual"]["class"] == f"{Mean.__module__}.Mean"
    with pytest.raises(UserError, match="test_extract.Mean': is not one of avel"):
        load_encoders(stated)


def change(stated, **settings):
    visual = stated["encoders"]["visual"]
    changed = visual | {"settings": visual["settings"] | settings}
    return stated | {"encoders": stated["encoders"] | {"visual": changed}}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda stated: {}, "nothing says which encoders"),
        (lambda stated: stated | {"encoders": "CLIP"}, "nothing says which encoders"),
        (lambda stated: stated | {"encoders": {"visual": "CLIP", "audio": "CLAP"}}, "nothing says which encoders"),
        (lambda stated: stated | {"encoders": {"visual": {}, "audio": {}}}, "'None': is not one of avel"),
        (lambda stated: stated | {"encoders": {"visual": stated["encoders"]["visual"]}}, "nothing says which encoders"),
        (lambda stated: stated | {"reading": 0}, rf"reading: 0 \(then\), {pair_module.READING} \(now\)"),
        (lambda stated: stated | {"window": 1.0}, r"window: 1.0 \(then\), 4.0 \(now\)"),
        (lambda stated: change(stated, colour="red"), "SpectralPictures: .*colour.*another version"),
        (lambda stated: change(stated, hop=0.5), "different times"),
        (lambda stated: change(stated, hop="x"), "SpectralPictures"),
    ],
)
def test_what_cannot_be_built_again_is_told(changed, message):
    stated = EncoderPair(SpectralPictures(), SpectralSound()).provenance()
    with pytest.raises(UserError, match=message):
        load_encoders(changed(stated))


def test_the_order_of_settings_does_not_matter():
    stated = EncoderPair(SpectralPictures(), SpectralSound()).provenance()
    backwards = dict(reversed(stated["encoders"]["visual"]["settings"].items()))
    assert load_encoders(change(stated | {}, **backwards)).visual == SpectralPictures()
