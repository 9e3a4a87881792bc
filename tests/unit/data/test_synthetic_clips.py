import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from avel.data.annotations import read_annotations
from avel.data.synthetic_classes import CLASSES
from avel.data.synthetic_clips import ClipOptions, write_clips
from avel.data.synthetic_scenes import draw_scene
from avel.errors import UserError
from avel.extraction.media import probe
from avel.extraction.pictures import read_pictures
from avel.extraction.sound import read_sound

OPTIONS = ClipOptions(videos=2, classes=1, difficulty=0.0)
RATE = 8000
SCRIPT = Path(__file__).parents[3] / "scripts" / "make_clips.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    write_clips(root, OPTIONS)
    return root


@pytest.fixture(params=[0, 1])
def clip(folder, request):
    video = read_annotations(folder / "annotations.json").videos[request.param]
    return folder / "videos" / f"{video.video}.mp4", video


def within(times, segments, margin):
    """Whether times lie in one of the segments, which grow by a margin at both ends."""
    return ((segments[:, :1] - margin <= times) & (times < segments[:, 1:] + margin)).any(0)


def test_files_are_videos_of_the_annotated_length(clip):
    path, video = clip
    info = probe(path)
    assert info.has_video
    assert info.has_audio
    assert (info.width, info.height) == (192, 112)
    assert video.duration <= info.duration < video.duration + 1.5 / info.fps


def test_events_are_seen_when_they_are_annotated(clip):
    path, video = clip
    count = int(10 * video.duration)
    blocks = read_pictures(path, rate=10, count=count, size=lambda width, height: (width // 2, height // 2))
    pictures = np.concatenate(list(blocks)).astype(np.int16)
    difference = np.abs(pictures - np.int16(CLASSES[0].look.colour)).max(-1)
    seen = (difference < 50).sum((1, 2)) > 30
    times = (np.arange(count) + 0.5) / 10
    assert seen[within(times, video.segments, -0.1)].all()
    assert not seen[~within(times, video.segments, 0.1)].any()


def test_events_are_heard_when_they_are_annotated(clip):
    path, video = clip
    sound = np.concatenate(list(read_sound(path, rate=RATE, count=int(video.duration * RATE))))
    power = np.convolve(sound**2, np.ones(RATE // 2) / (RATE / 2), "same")  # over half a second, a beat of the bell
    times = np.arange(len(sound)) / RATE
    inside, outside = within(times, video.segments, -0.25), ~within(times, video.segments, 0.25)
    assert power[inside].min() > 4 * power[outside].max(initial=0)
    onsets = [np.abs(sound[int((start - 0.3) * RATE) :]).argmax() for start in video.segments[:, 0] if start > 0.3]
    assert all(onset > 0.29 * RATE for onset in onsets)


def test_only_missing_clips_are_rendered_and_come_out_the_same(folder):
    path = next((folder / "videos").iterdir())
    before = path.read_bytes()
    path.unlink()
    assert write_clips(folder, OPTIONS) == [path]
    assert path.read_bytes() == before
    assert write_clips(folder, OPTIONS) == []
    assert all(file.suffix == ".mp4" for file in (folder / "videos").iterdir())


@pytest.mark.slow
def test_processes_change_nothing(folder, tmp_path):
    written = write_clips(tmp_path, OPTIONS, workers=2)
    assert len(written) == 2
    for path in written:
        assert path.read_bytes() == (folder / "videos" / path.name).read_bytes()


def test_other_data_are_not_touched(folder, tmp_path):
    with pytest.raises(UserError, match="other options"):
        write_clips(folder, ClipOptions(videos=2, classes=1, seed=1))
    (tmp_path / "videos").mkdir()
    with pytest.raises(UserError, match="not made up"):
        write_clips(tmp_path, OPTIONS, force=True)


def test_annotations_name_classes_and_show_each_in_every_split(tmp_path, monkeypatch):
    monkeypatch.setattr("avel.data.synthetic_clips._render", lambda options, clip: None)
    write_clips(tmp_path, ClipOptions(videos=60, classes=10))
    document = json.loads((tmp_path / "annotations.json").read_text())["database"]
    for split in ("train", "validation", "test"):
        rows = [row for entry in document.values() if entry["subset"] == split for row in entry["annotations"]]
        assert {row["label"] for row in rows} == {CLASSES[k].name for k in range(10)}
    assert all(15 <= entry["duration"] <= 30 for entry in document.values())


def test_annotations_tell_what_is_only_heard_and_only_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("avel.data.synthetic_clips._render", lambda options, clip: None)
    options = ClipOptions(videos=20, classes=4, difficulty=0.5)
    write_clips(tmp_path, options)
    count = 0
    for video in read_annotations(tmp_path / "annotations.json").videos:
        scene = draw_scene(video, classes=4, difficulty=0.5, seed=0)
        for side, spans, others in (("heard", scene.heard, scene.seen), ("seen", scene.seen, scene.heard)):
            drawn = sorted((span.start, CLASSES[span.label].name) for span in set(spans) - set(others))
            told = sorted((span.start, span.label) for span in video.one_sided if span.side == side)
            assert told == [(pytest.approx(start, abs=1e-3), label) for start, label in drawn]
            count += len(told)
    assert count > 20


def test_impossible_options_are_refused(tmp_path):
    for values in ({"difficulty": 2.0}, {"classes": 33}, {"seed": -1}):
        with pytest.raises(UserError, match=next(iter(values))):
            ClipOptions(**values)
    with pytest.raises(UserError, match="cannot show 8 classes"):
        write_clips(tmp_path / "none", ClipOptions(videos=4))
    assert not (tmp_path / "none").exists()


def test_the_command_renders_or_says_why_not(folder, monkeypatch, capsys):
    def run(*options):
        monkeypatch.setattr(sys, "argv", ["make_clips.py", str(folder), "--videos", "2", "--workers", "1", *options])
        runpy.run_path(str(SCRIPT), run_name="__main__")

    run("--classes", "1", "--difficulty", "0")
    assert "wrote 0 videos" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        run("--classes", "3")
    assert capsys.readouterr().err == "2 videos (1 for training) cannot show 3 classes\n"
