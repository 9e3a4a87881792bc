"""When an event begins does not depend on how the file is encoded."""

from fractions import Fraction

import av
import numpy as np
import pytest

import avel
from avel.data.synthetic_mp4 import write_mp4
from tests.clips import RATE, pictures, sound, write_clips

EVENT, SECONDS = (12.0, 14.5, "red"), 17
HOP = 0.25
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, run_py, python):
    folder = tmp_path_factory.mktemp("learned")
    write_clips(folder, 24)
    done = python.run("scripts/extract_features.py", folder / "videos", folder / "features")
    assert done.returncode == 0, done.stderr
    own = (f"data.annotations={folder / 'annotations.csv'}", f"data.feature_dir={folder / 'features'}")
    short = ("size=narrow", "data.loader.batch_size=4", "trainer.max_epochs=40", f"hydra.run.dir={folder / 'run'}")
    done = run_py("experiment=unav_custom", *own, *short)
    assert done.returncode == 0, done.stderr
    return folder / "run" / "checkpoints" / "best.ckpt"


def write_scene(path, fps=Fraction(25)):
    random = np.random.default_rng(1)
    write_mp4(path, pictures(*EVENT, fps, SECONDS), fps, sound(*EVENT, random, SECONDS), RATE)
    return path


def encode_anew(source, target, *, kept=lambda number: True, heard=0.0):
    """Write some of a file's pictures with B-frames, and its sound from some second on."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        track = new.add_stream("aac", rate=RATE, layout="mono")
        stream = new.add_stream("libx264", rate=60, options={"bf": "3", "b_strategy": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90_000)
        for number, frame in enumerate(old.decode(video=0)):
            if kept(number):
                anew = av.VideoFrame.from_ndarray(frame.to_ndarray(format="yuv420p"), format="yuv420p")
                anew.pts, anew.time_base = frame.pts, frame.time_base
                new.mux(stream.encode(anew))
        new.mux(stream.encode())
        old.seek(0)
        for frame in old.decode(audio=0):
            if frame.time >= heard:
                new.mux(track.encode(frame))
        new.mux(track.encode())
    return target


def begin(video, checkpoint):
    surest = avel.localize(video, checkpoint).events[0]
    assert surest.label == "red"
    return surest.start


def test_events_begin_when_they_begin(checkpoint, tmp_path):
    scene = write_scene(tmp_path / "25.mp4")
    expected = begin(scene, checkpoint)
    assert expected == pytest.approx(EVENT[0], abs=2 * HOP)
    rates = [Fraction(15), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60)]
    videos = [write_scene(tmp_path / f"{float(rate):.3f}.mp4", rate) for rate in rates]
    random = np.random.default_rng(2).random(10_000)
    videos += [
        encode_anew(scene, tmp_path / "variable rate.mkv", kept=lambda number: number == 0 or random[number] < 0.6),
        encode_anew(scene, tmp_path / "late sound.mkv", heard=0.7),
        encode_anew(scene, tmp_path / "late sound.mp4", heard=0.7),
    ]
    assert {video.name: begin(video, checkpoint) for video in videos} == {
        video.name: pytest.approx(expected, abs=HOP) for video in videos
    }
