import av
import numpy as np
import pytest

from avel.errors import UserError
from avel.extraction.media import CONTAINERS, audio_stream, begin, decode, opened, probe, video_stream
from tests.unit.extraction.videos import HEIGHT, SECOND, WIDTH, write_sound, write_video

EVEN = [0.0, 0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize("name", ["a.mkv", "a.mov", "with: colon %d.mkv"])
def test_what_is_in_a_file(tmp_path, name):
    write_video(tmp_path / name, EVEN, sound_from=0.0)
    info = probe(tmp_path / name)
    assert info.duration == pytest.approx(1.0, abs=0.002)
    assert (info.has_video, info.has_audio, info.width, info.height) == (True, True, WIDTH, HEIGHT)
    assert info.fps == pytest.approx(10, rel=0.01)


def test_it_lasts_from_the_earlier_to_the_later_of_picture_and_sound(tmp_path):
    write_video(tmp_path / "a.mkv", EVEN, sound_from=2.5, begin=100.0)
    assert probe(tmp_path / "a.mkv").duration == pytest.approx(3.5, abs=0.002)


def test_one_modality_alone(tmp_path):
    write_video(tmp_path / "seen.mp4", EVEN)
    write_sound(tmp_path / "heard.wav", SECOND)
    seen, heard = probe(tmp_path / "seen.mp4"), probe(tmp_path / "heard.wav")
    assert (seen.has_video, seen.has_audio, seen.duration) == (True, False, pytest.approx(0.5, abs=0.01))
    assert (heard.has_video, heard.has_audio, heard.duration) == (False, True, 1.0)
    assert heard.width == heard.height == heard.fps == 0


def test_the_cover_of_a_song_is_no_video(tmp_path):
    with av.open(str(tmp_path / "a.mp3"), "w") as container:
        song, cover = container.add_stream("libmp3lame", rate=8000), container.add_stream("png")
        cover.width, cover.height, cover.pix_fmt = 16, 16, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(picture))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16p", layout="mono")
        frame.sample_rate = 8000
        container.mux(song.encode(frame))
        container.mux(song.encode())
    assert not probe(tmp_path / "a.mp3").has_video


def test_a_file_that_is_cut_off_is_used_up_to_there(tmp_path):
    write_video(tmp_path / "a.mkv", [0.1 * index for index in range(40)])
    with av.open(str(tmp_path / "a.mkv")) as container:
        end = list(container.demux(video=0))[20].pos
    (tmp_path / "a.mkv").write_bytes((tmp_path / "a.mkv").read_bytes()[:end])
    with pytest.warns(UserWarning, match=r"a.mkv: ends after 2\.\d of 4.0 s: it seems to be cut off"):
        assert 2 <= probe(tmp_path / "a.mkv").duration < 2.5


def test_damaged_packets_are_left_out_and_counted(tmp_path):
    write_video(tmp_path / "a.mkv", [0.1 * index for index in range(20)], options={"g": "1"})
    damaged = bytearray((tmp_path / "a.mkv").read_bytes())
    with av.open(str(tmp_path / "a.mkv")) as container:
        packet = list(container.demux(video=0))[10]
        start = damaged.index(bytes(packet))
    damaged[start : start + packet.size] = bytes(packet.size)
    (tmp_path / "a.mkv").write_bytes(damaged)
    with opened(tmp_path / "a.mkv") as container, pytest.warns(UserWarning, match="a.mkv: 1 damaged packets of video"):
        assert len(list(decode(container, video_stream(container)))) == 19


def test_where_a_file_of_few_pictures_begins(tmp_path):
    """FFmpeg says that it begins with its sound: it does not know in which order so few pictures are shown."""
    write_video(tmp_path / "a.mkv", EVEN[:3], options={"bf": "3", "b_strategy": "0"}, sound_from=5.0)
    assert probe(tmp_path / "a.mkv").duration == pytest.approx(6.0, abs=0.002)
    with opened(tmp_path / "a.mkv") as container:
        assert container.start_time == 5_000_000
        assert begin(container) == 0


def test_a_long_gap_is_told(tmp_path):
    write_video(tmp_path / "a.mkv", [*EVEN, 100.0])
    with pytest.warns(UserWarning, match=r"a.mkv: has neither picture nor sound for (99|100) s from 0\.[45] s on"):
        assert probe(tmp_path / "a.mkv").duration == pytest.approx(100.1, abs=0.01)


@pytest.mark.filterwarnings("error")
def test_pictures_may_be_far_apart_where_there_is_sound(tmp_path):
    write_sound(tmp_path / "a.mkv", np.zeros((1, 100 * 8000), np.float32))
    assert probe(tmp_path / "a.mkv").duration == pytest.approx(100.0, abs=0.01)
    write_video(tmp_path / "b.mkv", [0.0, 90.0], sound=np.zeros((1, 100 * 8000), np.float32), sound_from=0.0)
    assert probe(tmp_path / "b.mkv").duration == pytest.approx(100.0, abs=0.01)


def write_jump(path):
    write_video(path, [*EVEN, 1e6])


def write_gap(path):
    write_video(path, [*EVEN, 7200.0])


def write_long(path):
    write_video(path, np.arange(0, 101 * 3600, 1800).tolist())


def write_nothing(path):
    with av.open(str(path), "w", format="wav") as container:
        container.add_stream("pcm_s16le", rate=8000, layout="mono")
        container.start_encoding()


@pytest.mark.filterwarnings("ignore:.*neither picture nor sound")
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "no such file"),
        (lambda path: path.write_bytes(b""), "cannot be read as video or sound"),
        (lambda path: path.write_text("no video\n" * 100), "cannot be read as video or sound"),
        (lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)), "cannot be read as video or sound"),
        (write_nothing, "holds neither picture nor sound"),
        (write_jump, "neither picture nor sound for 10000"),
        (write_gap, r"neither picture nor sound for 7200 s from 0\.[45] s on, so its time stamps are damaged"),
        (write_long, "lasts 101 hours by its time stamps"),
    ],
    ids=["missing", "folder", "empty", "text", "garbage", "no frames", "jump", "gap", "long"],
)
def test_what_cannot_be_used_is_named(tmp_path, write, message):
    path = tmp_path / "a.mkv"
    write(path)
    with pytest.raises(UserError, match=message) as error:
        probe(path)
    assert str(path) in str(error.value)


def test_streams_that_are_not_there(tmp_path):
    write_sound(tmp_path / "a.wav", SECOND)
    with opened(tmp_path / "a.wav") as container:
        assert video_stream(container) is None
        assert audio_stream(container)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"),
        ("a.mp4", "ffconcat version 1.0\nfile {}\n"),
    ],
)
def test_a_list_of_other_files_is_no_video(tmp_path, name, text):
    write_video(tmp_path / "other.mp4", EVEN)
    (tmp_path / name).write_text(text.format("other.mp4"))
    with pytest.raises(UserError, match="cannot be read as video or sound"):
        probe(tmp_path / name)


def test_the_formats_that_are_opened_are_known():
    assert set(CONTAINERS.split(",")) <= {part for name in av.formats_available for part in name.split(",")}
