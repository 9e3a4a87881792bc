import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.errors import UserError
from avel.extraction.encoder import count_steps, step_spans
from avel.extraction.encoders.appearance import COLOURS, colour_bins
from avel.extraction.encoders.spectral import SpectralPictures, SpectralSound, surroundings
from avel.extraction.extract import encode_blocks, extract
from tests.unit.extraction.videos import SECOND, write_video


def describe(encoder, samples, *, chunk=60.0, seconds):
    spans = step_spans(encoder, count_steps(seconds, encoder))
    return encode_blocks(encoder, iter([encoder.preprocess(samples)]), spans, chunk=chunk)


def pictures_with_a_visitor(seconds, start, end, colour):
    """A square of one colour walks over noise that stands still."""
    random = np.random.default_rng(0)
    pictures = np.repeat(random.integers(60, 90, (1, 32, 48, 3), dtype=np.uint8), 8 * seconds, axis=0)
    for index in range(8 * start, 8 * end):
        left = 2 * (index - 8 * start) % 36
        pictures[index, 8:20, left : left + 12] = colour
    return pictures


def test_colours_of_the_foreground_alone():
    features = describe(SpectralPictures(), pictures_with_a_visitor(20, 4, 8, (250, 10, 10)), seconds=20)
    assert features.shape == (79, SpectralPictures().width)
    colours = features[:, :COLOURS]
    red = int(colour_bins(np.full((1, 1, 1, 3), (250, 10, 10), np.uint8))[0, 0, 0])
    inside = slice(16, 31)
    assert (colours[inside].argmax(axis=1) == red).all()
    assert colours[inside, red] == pytest.approx(COLOURS**0.5, rel=0.05)
    assert not colours[:15].any()
    assert not colours[32:].any()
    assert (features[inside, -2] > features[0, -2] + 0.5).all()  # how large it is
    assert (features[inside, -1] > features[0, -1] + 0.5).all()  # how fast it is


def test_light_is_no_foreground():
    pictures = pictures_with_a_visitor(20, 4, 8, (250, 10, 10)).astype(np.float32)
    light = 1 + 0.2 * np.sin(np.arange(len(pictures)) / 10)
    changing = np.rint(pictures * light[:, None, None, None]).clip(0, 255).astype(np.uint8)
    features = describe(SpectralPictures(), changing, seconds=20)
    outside = np.r_[:15, 32:79]
    assert not features[outside, :COLOURS].any()
    assert (features[16:31, :COLOURS].max(axis=1) > 4).all()


def test_what_stays_for_long_becomes_background():
    features = describe(SpectralPictures(), pictures_with_a_visitor(60, 30, 60, (250, 10, 10)), seconds=60)
    assert features[-4, COLOURS - 1] == 0
    assert features.shape[0] == 239


@given(chunk=st.floats(0.3, 20), hop=st.sampled_from([0.2, 0.25, 0.4]), context=st.sampled_from([0.0, 1.0, 2.5]))
@settings(max_examples=8)
def test_chunks_do_not_change_features(chunk, hop, context):
    encoder = SpectralPictures(hop=hop, context=context, pixels=64)
    pictures = np.random.default_rng(1).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    assert np.allclose(
        describe(encoder, pictures, seconds=6, chunk=chunk), describe(encoder, pictures, seconds=6), atol=1e-5
    )


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 6))
def test_surroundings_are_mirrored(count, second, seconds):
    around = surroundings(np.array([[0, 1], [count - 1, count]]), count, second, seconds)
    assert around.shape == (2, 2 * seconds + 1)
    assert 0 <= around.min() <= around.max() < count
    assert (around[0] == around[0, ::-1]).all()
    assert (around[1] == around[1, ::-1]).all()
    assert around[0, seconds] == 0
    assert around[1, seconds] == count - 1


@given(chunk=st.floats(0.3, 20), hop=st.sampled_from([0.2, 0.25, 0.4]), context=st.sampled_from([0.0, 1.0, 2.5]))
@settings(max_examples=8)
def test_chunks_do_not_change_features_of_sound(chunk, hop, context):
    encoder = SpectralSound(hop=hop, context=context, rate=1000, bands=4)
    sound = np.random.default_rng(1).normal(size=6250).astype(np.float32)
    assert np.allclose(describe(encoder, sound, seconds=6, chunk=chunk), describe(encoder, sound, seconds=6), atol=1e-5)


def tone_among_noise(loudness=1.0):
    """Ten seconds of noise, in the fourth of which there is a tone."""
    rate = 16000
    sound = 0.05 * np.random.default_rng(0).normal(size=10 * rate)
    sound[3 * rate : 4 * rate] += 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    return (loudness * sound).astype(np.float32)


def parts_of(features):
    return np.split(features[:, :-2], 5, axis=1), features[:, -2:].T


def test_sound():
    features = describe(SpectralSound(), tone_among_noise(), seconds=9.5)
    assert features.shape == (37, SpectralSound().width)
    (_, _, _, change, share), (loudness, excess) = parts_of(features)
    inside, outside = slice(12, 15), np.r_[:11, 16:37]
    assert (loudness[inside] > loudness[outside].max() + 0.5).all()
    assert (excess[inside] > 0.5).all()
    assert np.abs(excess[outside]).max() < 0.2
    assert ((share[inside] ** 2).mean(axis=1) > 0.95).all()  # all that stands out is the tone
    assert (share[inside].argmax(axis=1) == share[13].argmax()).all()
    assert ((share[outside] ** 2).mean(axis=1) < 0.2).all()
    assert change[11].max() > 1  # begins in the middle of its window
    assert change[15].min() < -1


def test_what_stands_out_does_not_depend_on_loudness():
    loud, soft = (describe(SpectralSound(), tone_among_noise(loudness), seconds=9.5) for loudness in (1, 0.3))
    (spectrum, *_, share), (loudness, excess) = parts_of(loud)
    (soft_spectrum, *_, soft_share), (soft_loudness, soft_excess) = parts_of(soft)
    assert np.allclose(spectrum, soft_spectrum, atol=0.02)
    assert np.allclose(share, soft_share, atol=0.05)
    assert np.allclose(excess, soft_excess, atol=0.02)
    assert np.allclose(loudness - soft_loudness, 2 * np.log(1 / 0.3) / 3, atol=0.02)


def test_silence():
    features = describe(SpectralSound(), np.zeros(32000, np.float32), seconds=2)
    assert np.isfinite(features).all()
    assert not parts_of(features)[0][4].any()


def test_pictures_keep_their_shape():
    encoder = SpectralPictures()
    assert encoder.size(192, 108) == (105, 59)
    assert encoder.size(360, 640) == (59, 105)
    assert encoder.size(4000, 10) == (1568, 8)


@pytest.mark.parametrize("settings", [{"window": 0.05}, {"hop": 0.0}, {"window": float("nan")}])
def test_impossible_times(settings):
    with pytest.raises(UserError, match="encoder spectral_pictures: window"):
        SpectralPictures(**settings)
    with pytest.raises(UserError, match="encoder spectral_sound: window"):
        SpectralSound(**settings)


def test_settings_build_the_same_encoder():
    for encoder in (SpectralPictures(window=1.0, pixels=100), SpectralSound(hop=0.5, bands=40)):
        assert type(encoder)(**encoder.settings()) == encoder


def test_a_file(tmp_path):
    write_video(tmp_path / "a.mkv", [0.0, 0.1, 0.2], sound=SECOND, sound_from=0.0)
    features = extract(tmp_path / "a.mkv", SpectralPictures(), SpectralSound())
    assert features.visual.shape == (3, SpectralPictures().width)
    assert features.audio.shape == (3, SpectralSound().width)
    assert np.isfinite(features.visual).all()
    assert np.isfinite(features.audio).all()
