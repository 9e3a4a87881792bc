import re
import shutil
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from avel.errors import UserError
from avel.events import EventTable
from avel.tasks.localization import VideoLocalizer
from avel.tasks.localization_job import localize_files
from tests.unit.extraction.videos import write_video
from tests.unit.tasks.test_localization import MEMORY, write_checkpoint


@pytest.fixture(scope="module")
def localizer(tmp_path_factory):
    return VideoLocalizer(write_checkpoint(tmp_path_factory.mktemp("method") / "best.ckpt", {"": MEMORY}))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    write_video(path, [k / 10 for k in range(30)], sound_from=0.0)
    return path


def test_each_file_gives_results_or_a_message(localizer, clip, tmp_path):
    videos = tmp_path / "videos"
    (videos / "folder").mkdir(parents=True)
    shutil.copy(clip, videos / "folder" / "in a folder.mkv")
    write_video(videos / "silent.mkv", [k / 10 for k in range(30)])
    (videos / "text.mp4").write_text("no video")
    (videos / "clip.mp4").touch()
    given = [
        videos / "gone.mp4",
        videos / "text.mp4",
        clip,
        videos / "clip.mp4",
        videos / "folder",
        videos / "silent.mkv",
    ]
    outcome = localize_files(given, localizer, tmp_path / "out")

    assert [found.video for found in outcome.found] == ["clip", "in a folder", "silent"]
    assert [message.split(": ")[0] for message in outcome.failed] == [
        str(videos / name) for name in ("gone.mp4", "clip.mp4", "text.mp4")
    ]
    assert f"called like those of {clip}: rename one" in outcome.failed[1]
    assert "silent.mkv: has no sound" in outcome.warned[0]
    table = EventTable.read_json(tmp_path / "out" / "events.json")
    assert table.videos == ["clip", "in a folder", "silent"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("events.json", "events.csv", "index.html", "labels", "subtitles", "pages")
    }
    lines = list(outcome.lines(tmp_path / "out"))
    sure = sum(len(path.read_text().splitlines()) for path in (tmp_path / "out" / "labels").iterdir())
    place = tmp_path / "out" / "index.html"
    assert lines[-1] == f"{sure} sure events in 3 files, {len(table)} with unsure ones; look at {place}"
    assert len(lines) == 5


def test_a_file_may_be_called_whatever_a_disk_allows(localizer, clip, tmp_path):
    name = """<img src=x onerror="alert('1')"> & 🐕 #1?x=%41"""
    localize_files([Path(shutil.copy(clip, tmp_path / f"{name}.mkv"))], localizer, tmp_path)
    assert EventTable.read_json(tmp_path / "events.json").videos == [name]
    for path, targets in (
        (tmp_path / "index.html", [f"pages/{name}.html"]),
        (tmp_path / "pages" / f"{name}.html", ["../index.html", f"../{name}.mkv"]),
    ):
        text = path.read_text()
        assert "<img" not in text
        assert f"{name}.mkv" in unescape(text)
        links = [unquote(link) for link in re.findall(r'(?:href|src)="(?!data:)([^"]*)"', text)]
        assert links[: len(targets)] == targets
        assert all((path.parent / link).exists() for link in links)


def test_results_are_replaced_only_on_demand(localizer, clip, tmp_path):
    localize_files([clip], localizer, tmp_path)
    label = tmp_path / "labels" / "clip.txt"
    label.write_text("mended by hand")
    with pytest.raises(UserError, match=r"events.json: is there already; --force replaces it"):
        localize_files([clip], localizer, tmp_path)
    assert label.read_text() == "mended by hand"
    localize_files([clip], localizer, tmp_path, force=True, threshold=2.0)
    assert label.read_text() == ""


def test_without_any_result_nothing_is_written(localizer, tmp_path):
    outcome = localize_files([Path("nowhere.mp4")], localizer, tmp_path / "out")
    assert list(outcome.lines(tmp_path)) == ["Failed: nowhere.mp4: no such file or folder"]
    assert not (tmp_path / "out").exists()
