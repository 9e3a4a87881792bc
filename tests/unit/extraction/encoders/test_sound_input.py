import pytest
import torch

from avel.errors import UserError
from avel.extraction.encoders.sound_input import chosen, mel_filters, mel_power

pytest.importorskip("transformers")


@pytest.mark.parametrize(("norm", "scale"), [(None, "htk"), ("slaney", "slaney"), (None, "kaldi")])
@pytest.mark.parametrize("frequency", [300, 1000, 3000])
def test_a_tone_is_strongest_in_the_band_around_it(norm, scale, frequency):
    filters = mel_filters(rate=8000, size=512, bands=20, low=50.0, high=4000.0, norm=norm, scale=scale)
    tone = torch.sin(2 * torch.pi * frequency * torch.arange(400) / 8000) * torch.hann_window(400)
    power = mel_power(tone, filters / filters.sum(dim=0), 512)
    centres = (filters * torch.linspace(0, 4000, 257)[:, None]).sum(dim=0) / filters.sum(dim=0)
    assert abs(int(power.argmax()) - int((centres - frequency).abs().argmin())) <= 1


def test_what_a_processor_does_not_say():
    assert chosen({"a": 1, "b": 2, "c": 3}, ("a", "c")) == {"a": 1, "c": 3}
    with pytest.raises(UserError, match="does not say b, d"):
        chosen({"a": 1}, ("a", "b", "d"))
