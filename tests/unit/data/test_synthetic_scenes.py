from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.data.annotations import VideoAnnotation
from avel.data.synthetic_classes import CLASSES
from avel.data.synthetic_looks import MOTIONS, SHAPES, Actor, Look
from avel.data.synthetic_mp4 import write_mp4
from avel.data.synthetic_scenes import HEIGHT, WIDTH, draw_scene
from avel.data.synthetic_voices import VOICES, Voice, background, sound_of
from avel.extraction.pictures import frames_at
from avel.extraction.sound import read_sound

ANNOTATION = VideoAnnotation("v", "train", 2.0, np.array([[0.5, 1.5], [1.0, 1.7]]), np.array([0, 3]))


def scene(difficulty, seed=0):
    return draw_scene(ANNOTATION, classes=8, difficulty=difficulty, seed=seed)


@pytest.mark.parametrize("seed", range(20))
def test_distractors_make_no_events(seed):
    drawn = scene(1.0, seed)
    events = set(drawn.seen) & set(drawn.heard)
    assert [(e.label, e.start, e.end) for e in drawn.seen if e in events] == [(0, 0.5, 1.5), (3, 1.0, 1.7)]
    assert not any(a.meets(b) for a in drawn.seen for b in set(drawn.heard) - events)
    assert not any(a.meets(b) for a in drawn.heard for b in set(drawn.seen) - events)


def test_difficulty_brings_distractors_in_both_modalities():
    hard = [scene(1.0, seed) for seed in range(10)]
    assert sum(len(drawn.seen) - 2 for drawn in hard) > 5
    assert sum(len(drawn.heard) - 2 for drawn in hard) > 5
    assert len(scene(0.0).seen) == len(scene(0.0).heard) == 2


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_scenes_can_be_played(difficulty):
    drawn = scene(difficulty)
    pictures, sound = list(drawn.pictures()), drawn.sound()
    assert len(pictures) == -(-2 * drawn.fps // 1)
    assert {(picture.shape, picture.dtype.name) for picture in pictures} == {((HEIGHT, WIDTH, 3), "uint8")}
    assert sound.shape == (drawn.channels, 2 * drawn.rate)
    assert np.abs(sound).max() <= 1
    again = scene(difficulty)
    assert np.array_equal(np.stack(pictures), np.stack(list(again.pictures())))
    assert np.array_equal(sound, again.sound())


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.sampled_from(sorted(MOTIONS)),
    st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    st.floats(0, 30),
    st.floats(12, 22),
)
def test_objects_are_seen_for_their_time(shape, motion, home, phase, radius):
    actor = Actor(Look(shape, (250, 10, 10), motion), 1.0, 2.0, home, 1.0, radius, 1.1, phase)
    for time, there in ((0.99, False), (1.0, True), (1.7, True), (2.0, False)):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        actor.paint(picture, time)
        painted = (picture[..., 0] > 200).sum()
        assert painted > 2 * radius if there else painted == 0


def test_classes_differ():
    assert len({c.name for c in CLASSES}) == len(CLASSES) == len({c.voice for c in CLASSES})
    assert len({c.look for c in CLASSES}) == len(CLASSES)
    first = CLASSES[:8]
    assert len({c.look.shape for c in first}) == len({c.look.colour for c in first}) == 8
    assert len({c.voice.name for c in first}) == 8


def spectrum(wave):
    power = np.abs(np.fft.rfft(wave.reshape(-1, 1000))[:, 1:]) ** 2
    return np.log(power.mean(0).reshape(25, 20).mean(1) + 1e-3)


def test_voices_differ_and_are_equally_loud():
    rng = np.random.default_rng(0)
    waves = {name: [sound_of(Voice(name, 1.0), 2.0, 20000, rng) for _ in range(2)] for name in VOICES}
    for one, other in waves.values():
        assert np.mean(one**2) == pytest.approx(1, rel=0.1)
        assert abs(one[0]) < 0.05
        assert abs(one[-1]) < 0.05
        assert len(one) == len(other) == 40000
    spectra = {name: [spectrum(wave) for wave in pair] for name, pair in waves.items()}
    for name, (mine, again) in spectra.items():
        others = min(np.abs(mine - other).mean() for key, (other, _) in spectra.items() if key != name)
        assert np.abs(mine - again).mean() < 0.5 * others
    assert np.mean(background(1.0, 8000, rng) ** 2) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(("fps", "channels"), [(15, 1), (30, 2)])
def test_picture_and_sound_are_where_they_belong(tmp_path, fps, channels):
    rate, change = 22050, 1.0
    pictures = [np.full((48, 64, 3), 255 * (k / fps >= change), np.uint8) for k in range(2 * fps)]
    sound = np.zeros((channels, 2 * rate), np.float32)
    sound[:, rate:] = 0.5 * np.sin(0.3 * np.arange(rate))
    write_mp4(tmp_path / "a.mp4", pictures, Fraction(fps), sound, rate)
    shown = frames_at(tmp_path / "a.mp4", [0.0, change - 0.01, change + 0.01, 1.99])
    assert (shown.mean((1, 2, 3)) > 128).tolist() == [False, False, True, True]
    heard = np.concatenate(list(read_sound(tmp_path / "a.mp4", rate=rate, count=2 * rate)))
    assert abs((np.abs(heard) > 0.2).argmax() / rate - change) < 0.005
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
