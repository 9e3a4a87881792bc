import itertools

import av
import numpy as np
import pytest

from avel.errors import UserError
from avel.extraction.sound import read_sound
from tests.unit.extraction.videos import SECOND, write_sound, write_video

RATE = 4000


def beep(*, rate=8000, at=0.25, channels=1, seconds=1.0):
    """A second of silence with a tone of 0.1 s."""
    sound = np.zeros((channels, round(rate * seconds)), np.float32)
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(round(0.1 * rate)) / rate)
    sound[:, round(at * rate) :][:, : len(tone)] = tone
    return sound


def read(path, count=RATE, rate=RATE):
    blocks = list(read_sound(path, rate=rate, count=count))
    assert max(map(len, blocks)) <= rate
    return np.concatenate(blocks)


def beeps(sound, rate=RATE):
    """Where tones begin, in seconds."""
    loud = np.convolve(np.abs(sound), np.ones(rate // 100), "same") > 1
    return (np.flatnonzero(np.diff(loud.astype(int)) == 1) / rate).tolist()


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6)])
def test_any_rate_and_channels(tmp_path, rate, layout, channels):
    write_sound(tmp_path / "a.mkv", beep(rate=rate, channels=channels), rate=rate, layout=layout)
    sound = read(tmp_path / "a.mkv")
    assert sound.dtype == np.float32
    assert beeps(sound) == pytest.approx([0.25], abs=0.005)
    assert np.abs(sound).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_what_an_encoder_puts_in_front_is_cut(tmp_path, name):
    write_sound(tmp_path / name, beep(rate=44100), rate=44100, codec="aac")
    assert beeps(read(tmp_path / name)) == pytest.approx([0.25], abs=0.005)


def test_sound_that_begins_late(tmp_path):
    write_video(tmp_path / "a.mkv", np.arange(12) / 10, sound=beep(), sound_from=0.7, begin=100.0)
    sound = read(tmp_path / "a.mkv", count=2 * RATE)
    assert not sound[: round(0.69 * RATE)].any()
    assert beeps(sound) == pytest.approx([0.95], abs=0.005)


def test_pictures_that_begin_late(tmp_path):
    write_video(tmp_path / "a.mkv", np.arange(7, 12) / 10, sound=beep(), sound_from=0.0)
    assert beeps(read(tmp_path / "a.mkv")) == pytest.approx([0.25], abs=0.005)


def test_gaps_are_silent_and_what_overlaps_is_cut(tmp_path):
    write_sound(tmp_path / "a.mkv", beep(), starts=(0.0, 3.0, 3.5))
    sound = read(tmp_path / "a.mkv", count=6 * RATE)
    assert len(sound) == 6 * RATE
    assert not sound[round(1.05 * RATE) : round(2.95 * RATE)].any()
    assert beeps(sound) == pytest.approx(
        [0.25, 3.25], abs=0.005
    )  # a third tone, at 3.75, is hidden by the second second
    assert not sound[round(4.55 * RATE) :].any()


def test_rounded_time_stamps_are_no_gaps(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 50 * np.arange(8000) / 8000, dtype=np.float32)[None]
    write_sound(tmp_path / "a.mkv", tone, starts=[1.003 * index for index in range(3)])
    steps = np.abs(np.diff(read(tmp_path / "a.mkv", count=3 * RATE)[100:-100]))
    assert steps.max() < 0.05


def test_a_format_that_changes_on_the_way(tmp_path):
    for name, layout, channels, start in (("a", "mono", 1, 0.0), ("b", "stereo", 2, 1.2)):
        sound = beep(rate=48000, channels=channels)
        write_sound(tmp_path / f"{name}.ts", sound, rate=48000, layout=layout, codec="aac", starts=[start])
    (tmp_path / "both.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    first, second = beeps(read(tmp_path / "both.ts", count=3 * RATE))
    assert second - first == pytest.approx(1.2, abs=0.05)


@pytest.mark.parametrize("count", [1, 100, 4000, 4001, 11000])
def test_as_many_samples_as_asked_for(tmp_path, count):
    write_sound(tmp_path / "a.wav", beep())
    assert len(read(tmp_path / "a.wav", count=count)) == count


def test_only_what_is_asked_for_is_decoded(tmp_path):
    write_sound(tmp_path / "a.wav", SECOND, starts=range(20))
    assert len(list(itertools.islice(read_sound(tmp_path / "a.wav", rate=RATE, count=10**12), 3))) == 3


def test_without_sound(tmp_path):
    write_video(tmp_path / "a.mp4", [0.0, 0.1])
    with pytest.raises(UserError, match=r"a\.mp4: has no sound"):
        read(tmp_path / "a.mp4")


def test_sound_in_name_only(tmp_path):
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        container.add_stream("pcm_s16le", rate=8000, layout="mono")
        container.start_encoding()
    with pytest.raises(UserError, match=r"a\.wav: has no sound"):
        read(tmp_path / "a.wav")
