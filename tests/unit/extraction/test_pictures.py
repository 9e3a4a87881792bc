import tempfile
from bisect import bisect_right
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.errors import UserError
from avel.extraction.pictures import BLOCK, frames_at, read_pictures
from tests.unit.extraction.videos import HEIGHT, SECOND, WIDTH, which, write_sound, write_video

EVEN = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1]
B_FRAMES = {"bf": "3", "g": "6", "b_strategy": "0"}


@pytest.mark.parametrize("options", [{}, B_FRAMES], ids=["forward", "B-frames"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_frame_is_shown_until_the_next_one(tmp_path, name, options):
    write_video(tmp_path / name, EVEN, options=options)
    if options:
        with av.open(str(tmp_path / name)) as container:
            assert "B" in {PictureType(frame.pict_type).name for frame in container.decode(video=0)}
    assert which(frames_at(tmp_path / name, [0.0, 0.05, 0.1, 0.1999, 0.5, 0.95])) == [0, 0, 1, 1, 5, 9]


def test_every_frame_is_found_at_its_own_time(tmp_path):
    write_video(tmp_path / "a.ts", EVEN, options=B_FRAMES, begin=3.7)  # 0.1 + 3.7 - 3.7 is a little less than 0.1
    assert which(frames_at(tmp_path / "a.ts", EVEN)) == list(range(len(EVEN)))


def test_time_stamps_count_and_not_numbers_of_frames(tmp_path):
    write_video(tmp_path / "a.mp4", [0.0, 0.03, 0.06, 2.0, 2.1, 7.5], options=B_FRAMES)
    assert which(frames_at(tmp_path / "a.mp4", [0.5, 1.5, 2.5, 3.5, 7.5])) == [2, 2, 4, 4, 5]


def test_before_the_first_and_behind_the_last_frame(tmp_path):
    write_video(tmp_path / "a.mp4", EVEN)
    assert which(frames_at(tmp_path / "a.mp4", [-1.0, 5.0, 1e9])) == [0, 11, 11]


def test_times_come_in_any_order_and_repeatedly(tmp_path):
    write_video(tmp_path / "a.mp4", EVEN)
    pictures = frames_at(tmp_path / "a.mp4", [0.95, 0.15, 0.95, 0.12])
    assert pictures.shape == (4, HEIGHT, WIDTH, 3)
    assert pictures.dtype == np.uint8
    assert which(pictures) == [9, 1, 9, 1]


def test_time_begins_with_the_file(tmp_path):
    """Not with its time stamps, and not with the picture where the sound is there first."""
    write_video(tmp_path / "late.ts", EVEN, begin=100.0)
    assert which(frames_at(tmp_path / "late.ts", [0.05, 0.75])) == [0, 7]
    for name, begin in (("a.mkv", 0.0), ("b.mkv", 100.0), ("c.mov", 0.0)):
        write_video(tmp_path / name, [time + 0.5 for time in EVEN], sound_from=0.0, begin=begin)
        assert which(frames_at(tmp_path / name, [0.1, 0.55, 1.25])) == [0, 0, 7]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_frames_are_turned_upright(tmp_path, rotation):
    write_video(tmp_path / "a.mp4", EVEN, rotation=rotation)
    write_video(tmp_path / "plain.mp4", EVEN)
    plain = frames_at(tmp_path / "plain.mp4", [0.5])
    assert np.array_equal(frames_at(tmp_path / "a.mp4", [0.5]), np.rot90(plain, rotation // 90, axes=(1, 2)))
    assert plain[0, 2, 2, 0] > 200
    assert plain[0, -2, 2, 0] < 100


times = st.lists(st.integers(1, 400), min_size=1, max_size=12)


@given(gaps=times, asked=st.lists(st.integers(-500, 5000), min_size=1, max_size=10))
@settings(max_examples=10, deadline=None)
def test_any_gaps_and_times(gaps, asked):
    stamps = np.cumsum([0, *gaps]).tolist()  # in milliseconds
    expected = [max(bisect_right(stamps, time) - 1, 0) for time in asked]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mkv"
        write_video(path, [stamp / 1000 for stamp in stamps], options=B_FRAMES)
        assert which(frames_at(path, [time / 1000 for time in asked])) == expected


def read(path, *, rate, count, size=lambda width, height: (width, height)):
    return np.concatenate(list(read_pictures(path, rate=rate, count=count, size=size)))


@given(gaps=times, rate=st.floats(0.5, 30), count=st.integers(1, 2 * BLOCK + 1))
@settings(max_examples=10, deadline=None)
def test_pictures_at_a_rate_are_those_at_the_middles(gaps, rate, count):
    stamps = np.cumsum([0, *gaps]) / 1000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mkv"
        write_video(path, stamps.tolist(), options=B_FRAMES)
        expected = frames_at(path, [(k + 0.5) / rate for k in range(count)])
        assert np.array_equal(read(path, rate=rate, count=count), expected)


def test_pictures_come_in_small_blocks(tmp_path):
    write_video(tmp_path / "a.mp4", EVEN)
    blocks = list(read_pictures(tmp_path / "a.mp4", rate=100, count=70, size=lambda width, height: (16, 8)))
    assert [block.shape for block in blocks] == [(32, 8, 16, 3), (32, 8, 16, 3), (6, 8, 16, 3)]


@pytest.mark.parametrize("rotation", [90, 180])
def test_sizes_are_those_of_upright_pictures(tmp_path, rotation):
    write_video(tmp_path / "a.mp4", EVEN, rotation=rotation, size=(63, 47))
    seen = []
    pictures = read(tmp_path / "a.mp4", rate=2, count=2, size=lambda *size: seen.append(size) or (20, 10))
    assert seen == [(47, 63) if rotation == 90 else (63, 47)]
    assert pictures.shape == (2, 10, 20, 3)
    assert which(pictures) == [2, 7]


def test_a_size_that_changes_on_the_way(tmp_path):
    write_video(tmp_path / "a.ts", EVEN, options={"bf": "0"})
    write_video(tmp_path / "b.ts", EVEN, options={"bf": "0"}, size=(32, 80), begin=1.2)
    (tmp_path / "both.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    pictures = read(tmp_path / "both.ts", rate=5, count=12)
    assert pictures.shape == (12, HEIGHT, WIDTH, 3)
    assert which(pictures) == [1, 3, 5, 7, 9, 11] * 2


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b"no video" * 100), "Invalid data"),
        (lambda path: path.mkdir(), "no such file"),
        (lambda path: write_sound(path, SECOND), "no picture"),
    ],
    ids=["missing", "garbage", "folder", "sound only"],
)
def test_what_cannot_be_read_is_named(tmp_path, write, message):
    path = tmp_path / "a.mkv"
    write(path)
    with pytest.raises(UserError, match=message) as error:
        frames_at(path, [0.5])
    assert str(path) in str(error.value)
