import json
import os
from dataclasses import replace

import pytest

from avel.events import Event
from avel.extraction.records import new_record
from avel.extraction.sources import Source
from avel.report.folder import LocalizedVideo
from avel.tasks.unfinished import Finding, Unfinished

BY = {"checkpoint": "1", "task": "", "versions": {"avel": "1", "ffmpeg": "7"}}
EVENTS = (("dog", 0.1, 2 / 3, 0.7), ("\udc80 <b>", 1e-9, 3.0, 0.30000000000000004))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "clip.mkv"
    path.write_bytes(b"pictures and sound")
    return Source("clip", path)


@pytest.fixture
def finding(source):
    events = tuple(Event("clip", start, end, label, score) for label, start, end, score in EVENTS)
    record = replace(new_record(source.path, "clip.mkv"), duration=3.0, warnings=("has no sound",))
    return Finding(LocalizedVideo("clip", source.path, 3.0, events), record)


@pytest.fixture
def unfinished(tmp_path):
    return Unfinished(tmp_path / "out", BY | {"classes": ("a", "b")})


def test_what_is_kept_is_known_to_the_last_bit(unfinished, source, finding):
    assert unfinished.recall(source) is None
    unfinished.keep(finding)
    assert unfinished.recall(source) == finding
    unfinished.clear()
    assert unfinished.recall(source) is None
    assert not unfinished.folder.exists()
    unfinished.clear()


def changed(document, key, **values):
    return json.dumps(document | {key: document[key] | values})


DAMAGE = {
    "another checkpoint": lambda known: changed(known, "by", checkpoint="0"),
    "another version": lambda known: changed(known, "by", versions={}),
    "another file": lambda known: changed(known, "file", modified=1, blake2b="0"),
    "no duration": lambda known: changed(known, "file", duration="long"),
    "odd warnings": lambda known: changed(known, "file", warnings=1),
    "odd keys": lambda known: changed(known, "file", more=1),
    "no events": lambda known: json.dumps(known | {"results": {}}),
    "a number": lambda known: "1",
    "nothing": lambda known: "",
    "depth": lambda known: "[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_was_found_by_another_or_in_another_file_or_is_damaged_is_not_known(unfinished, source, finding, damage):
    unfinished.keep(finding)
    path = unfinished.folder / "clip.json"
    path.write_text(DAMAGE[damage](json.loads(path.read_text())))
    assert unfinished.recall(source) is None


def test_a_file_that_was_touched_or_moved_is_the_same_one(unfinished, source, finding, tmp_path):
    unfinished.keep(finding)
    (tmp_path / "other").mkdir()
    moved = source.path.rename(tmp_path / "other" / "clip.mkv")
    os.utime(moved, (0, 0))
    assert unfinished.recall(Source("clip", moved)).video == replace(finding.video, path=moved)
    moved.write_bytes(b"another sound here")
    os.utime(moved, (0, 0))
    assert unfinished.recall(Source("clip", moved)) is None


def test_the_table_of_an_earlier_run_is_not_that_of_all_results_any_more(unfinished, finding):
    unfinished.table.parent.mkdir()
    unfinished.table.touch()
    unfinished.keep(finding)
    assert not unfinished.table.exists()
