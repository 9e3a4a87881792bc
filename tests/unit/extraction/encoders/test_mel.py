import numpy as np
import pytest

from avel.extraction.encoders.mel import QUIET, log_mel, mel_filters


def tone(frequency, rate, seconds=0.2):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("frequency", [200, 1000, 3000])
def test_a_tone_is_loudest_in_its_band(rate, frequency):
    spectrum = log_mel(tone(frequency, rate), rate=rate, bands=40)
    assert spectrum.shape == (18, 40)
    filters = mel_filters(rate, 40, 1 << (round(0.025 * rate) - 1).bit_length())
    place = frequency / rate * 2 * (len(filters) - 1)
    assert abs(int(spectrum.mean(axis=0).argmax()) - int(filters[round(place)].argmax())) <= 1


def test_loudness_is_in_the_level_and_silence_has_a_floor():
    loud, soft = (log_mel(gain * tone(1000, 16000), rate=16000, bands=40).max() for gain in (1, 0.1))
    assert loud - soft == pytest.approx(np.log(100), abs=0.01)
    assert np.allclose(log_mel(np.zeros(3200, np.float32), rate=16000, bands=40), np.log(QUIET))


def test_every_band_sees_something():
    assert mel_filters(16000, 64, 512).sum(axis=0).min() > 0
