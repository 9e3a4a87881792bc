"""Media files that are broken: each gives features, events or one message, and the others go on."""

import resource
from fractions import Fraction
from random import Random

import av
import numpy as np
import pytest

from avel.data.synthetic_mp4 import write_mp4
from avel.errors import UserError
from avel.events import EventTable
from avel.extraction.attempt import attempt
from avel.extraction.extract import extract
from avel.tasks.localization import VideoLocalizer
from avel.tasks.localization_job import localize_files
from tests.faults.mutations import MISPLACED, mutate_bytes
from tests.faults.readable import assert_readable
from tests.faults.tally import Tally
from tests.unit.extraction.test_extract import Mean
from tests.unit.extraction.videos import SECOND, write_sound, write_video
from tests.unit.tasks.test_localization import MEMORY, write_checkpoint

TIMES = [k / 10 for k in range(12)]
DAMAGED = 90
"""Files of each ending."""
LOCALIZED = 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Small files by ending."""
    folder = tmp_path_factory.mktemp("whole")
    tone = np.sin(np.arange(12000) / 5, dtype=np.float32)[None] / 3
    write_mp4(folder / "a.mp4", [np.full((48, 64, 3), 9 * k, np.uint8) for k in range(12)], Fraction(10), tone, 8000)
    write_video(folder / "a.mkv", TIMES, sound_from=0.0)
    write_video(folder / "a.ts", TIMES)
    write_sound(folder / "a.wav", SECOND)
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


def write_picture(path):
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "rgb24"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode()])


STRANGE = {
    "empty.mp4": lambda path: path.touch(),
    "text.mp4": lambda path: path.write_text("no video"),
    "page.mkv": lambda path: path.write_text("<html><script>alert(1)</script></html>"),
    "playlist.mp4": lambda path: path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n"),
    "concat.mp4": lambda path: path.write_text("ffconcat version 1.0\nfile /etc/passwd\n"),
    "picture.mp4": write_picture,
    "zeros.wav": lambda path: path.write_bytes(bytes(5000)),
    "only heard.mkv": lambda path: write_sound(path, SECOND),
    "only seen.mkv": lambda path: write_video(path, TIMES),
    "nothing at all.mkv": lambda path: write_video(path, []),
    "a dot.mkv": lambda path: write_video(path, TIMES, size=(1, 1), codec="ffv1", sound_from=0.0),
    "one frame.mkv": lambda path: write_video(path, [0.0], sound_from=0.0),
    "days between frames.mkv": lambda path: write_video(path, [0.0, 0.1, 900000.0], sound_from=0.0),
    "begins late.mkv": lambda path: write_video(path, TIMES, begin=50000.0, sound_from=0.0),
    "a thousand frames a second.mkv": lambda path: write_video(path, [k / 1000 for k in range(60)], sound_from=0.0),
}


@pytest.mark.slow
def test_damaged_media_give_features_or_a_message(whole, tmp_path, told):
    tally = Tally()
    for ending, content in whole.items():
        path = tmp_path / f"a{ending}"
        for number in range(DAMAGED):
            path.write_bytes(mutate_bytes(content, Random(f"{ending} {number}")))
            tally.put(lambda path=path: features_of(path), path.name, f"{ending} {number}")
    told(f"{DAMAGED * len(whole)} damaged media files", tally.survived())
    assert tally.wrong == {}
    assert tally.inputs == DAMAGED * len(whole)
    assert tally.messages
    assert {path.name for path in tmp_path.iterdir()} == {f"a{ending}" for ending in whole}


def features_of(path):
    made = attempt(path, lambda: extract(path, Mean(), Mean(rate=8000.0)))
    assert "Error: " not in made.error, "what nobody thought of"
    if made.result is None:
        raise UserError(made.error)
    assert np.isfinite(made.result.visual).all()
    assert np.isfinite(made.result.audio).all()


@pytest.mark.slow
def test_strange_and_damaged_files_among_good_ones(whole, tmp_path, told):
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    for name, write in STRANGE.items():
        write(videos / name)
    for name, place in MISPLACED.items():
        place(videos / f"{name}.mp4")
    for number in range(LOCALIZED):
        ending = (".mp4", ".mkv", ".wav")[number % 3]
        (videos / f"damaged {number}{ending}").write_bytes(mutate_bytes(whole[ending], Random(number)))
    (videos / "whole.mkv").write_bytes(whole[".mkv"])
    localizer = VideoLocalizer(write_checkpoint(tmp_path / "best.ckpt", {"": MEMORY}))
    outcome = localize_files(sorted(videos.iterdir()), localizer, out)
    names = {found.video for found in outcome.found}
    told(f"{len([*videos.iterdir()])} strange and damaged files", f"{len(names)} localized, {len(outcome.failed)} not")
    assert "whole" in names
    assert len(names) + len(outcome.failed) == len([*videos.iterdir()])
    assert not [message for message in outcome.failed if "Error: " in message or "root:" in message]
    assert all(str(videos) in message for message in outcome.failed)
    assert set(EventTable.read_json(out / "events.json").videos) == names
    assert_readable(out)
    assert not [path for path in out.rglob(".*")]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3 * 2**20, "KiB"
