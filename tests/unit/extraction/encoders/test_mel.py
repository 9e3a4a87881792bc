import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from avel.extraction.encoders.mel import QUIET, log_mel, mel_filters, outstanding


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


LEVELS = arrays.arrays(np.float32, 6, elements=st.floats(-16, 6, width=32))


@given(level=LEVELS, background=LEVELS, gain=st.floats(-3, 3))
def test_shares_of_what_stands_out(level, background, gain):
    shares = outstanding(level, background)
    assert (shares >= 0).all()
    assert shares.sum() <= 1 + 1e-5
    assert not shares[level <= background].any()
    louder = outstanding(level + np.float32(gain), background + np.float32(gain))
    assert np.allclose(shares, louder, atol=1e-4)


def test_what_stands_out_is_the_new_band():
    background = np.log(np.array([8.0, 1.0, 1.0]))
    shares = outstanding(np.log(np.array([8.0, 101.0, 1.0])), background)
    assert shares[1] == pytest.approx((101 - 1.5) / (101 - 1.5 + 3))
    assert not shares[[0, 2]].any()
