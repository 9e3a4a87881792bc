import re
import shutil
import warnings
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from avel.errors import UserError
from avel.events import Event, EventTable
from avel.report.folder import LocalizedVideo
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
    localize_files([clip], localizer, tmp_path, force=True, threshold=1.0)
    assert label.read_text() == ""


def test_without_any_result_nothing_is_written(localizer, tmp_path):
    outcome = localize_files([Path("nowhere.mp4")], localizer, tmp_path / "out")
    assert list(outcome.lines(tmp_path)) == ["Failed: nowhere.mp4: no such file or folder"]
    assert not (tmp_path / "out").exists()


class Finder:
    """Finds the same in every file at once, reads none called b, and is killed when it begins with one too many."""

    def __init__(self, files=9):
        self.files, self.begun = files, []

    def provenance(self):
        return {"checkpoint": "1", "task": "", "versions": {"avel": "1"}}

    def __call__(self, path, *, progress=None):
        self.begun.append(path.name)
        if len(self.begun) > self.files:
            raise KeyboardInterrupt
        if path.stem == "b":
            raise UserError(f"{path}: is broken")
        if path.stem == "c":
            warnings.warn(f"{path.name}: has no sound", stacklevel=1)
        events = (Event(path.stem, 0.1, 2 / 3, "dog", 0.7), Event(path.stem, 1e-9, 3.0, "cat", 0.30000000000000004))
        return LocalizedVideo(path.stem, path, 3.1, events)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.mkv").write_text(name)
    return folder


def interrupted(videos, out, files, **options):
    with pytest.raises(KeyboardInterrupt):
        localize_files([videos], Finder(files), out, **options)


def test_a_run_that_was_killed_goes_on_and_says_so(videos, tmp_path):
    whole = localize_files([videos], Finder(), tmp_path / "whole")
    interrupted(videos, tmp_path / "out", files=3)
    assert sorted(path.name for path in (tmp_path / "out" / "unfinished").iterdir()) == ["a.json", "c.json"]
    assert not (tmp_path / "out" / "events.json").exists()
    finder = Finder()
    outcome = localize_files([videos], finder, tmp_path / "out")
    assert finder.begun == ["b.mkv", "d.mkv"]
    told = ["2 of 4 videos were done before", *whole.lines(tmp_path / "out")]
    assert list(outcome.lines(tmp_path / "out")) == told
    assert any("c.mkv: has no sound" in line for line in told)
    assert outcome.found == whole.found
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not (tmp_path / "out" / "unfinished").exists()


def test_what_is_known_serves_another_threshold_as_well(videos, tmp_path):
    localize_files([videos], Finder(), tmp_path / "whole", threshold=0.2)
    interrupted(videos, tmp_path / "out", files=3, threshold=0.9)
    assert localize_files([videos], Finder(), tmp_path / "out", threshold=0.2).known == 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_begun_anew_on_demand_nothing_is_known_and_the_table_is_that_of_whole_results(videos, tmp_path):
    interrupted(videos, tmp_path / "out", files=3)
    interrupted(videos, tmp_path / "out", files=1, force=True)
    assert [path.name for path in (tmp_path / "out" / "unfinished").iterdir()] == ["a.json"]
    outcome = localize_files([videos], Finder(), tmp_path / "out", force=True)
    assert (outcome.known, outcome.files) == (0, 4)
    interrupted(videos, tmp_path / "out", files=0, force=True)
    assert (tmp_path / "out" / "events.json").exists()
    interrupted(videos, tmp_path / "out", files=1, force=True)
    assert not (tmp_path / "out" / "events.json").exists()
    assert next(localize_files([videos], Finder(), tmp_path / "out").lines(tmp_path)).startswith("1 of 4 videos was ")


def test_what_a_run_left_that_was_killed_at_its_very_end_goes_and_what_is_of_others_stays(clip, tmp_path):
    localize_files([clip], Finder(), tmp_path)
    left = tmp_path / "unfinished"
    left.mkdir()
    for name in ("clip.json", ".clip.json.part", "mine.txt"):
        (left / name).touch()
    with pytest.raises(UserError, match="is there already"):
        localize_files([clip], Finder(), tmp_path)
    assert [path.name for path in left.iterdir()] == ["mine.txt"]


def test_findings_are_not_written_through_a_link(clip, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "unfinished").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="unfinished: is a link to another place"):
        localize_files([clip], Finder(), tmp_path / "out")


def test_a_threshold_in_percent_is_refused(clip, tmp_path):
    with pytest.raises(UserError, match="--threshold=30.0"):
        localize_files([clip], Finder(), tmp_path / "out", threshold=30.0)
    assert not (tmp_path / "out").exists()
