import gzip
import json
import os

import pytest
from hypothesis import given, settings

from avel.data.formats.events import read_events
from avel.data.formats.reading import read_any
from avel.errors import UserError
from avel.events import Event, EventTable
from avel.exchange.formats import write_events
from tests.unit.data.formats.test_reading import TEXTS
from tests.unit.exchange.drawn import TABLES

DOG = Event("a", 1.0, 2.5, "dog")
TABLE = EventTable([Event("a", 1.0004, 2.5, "dog", 0.123456789), Event("b", 0, 1, " ")], ["quiet", "b", "a"])


@pytest.mark.parametrize("name", ["activitynet", "csv", "audacity", "elan"])
def test_what_was_written_is_read(tmp_path_factory, name):
    @settings(max_examples=20)
    @given(TABLES)
    def check(table):
        path = tmp_path_factory.mktemp("events") / "out"
        write_events(table, path, name)
        assert read_events(path) == table

    check()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_annotations_are_events_without_scores(tmp_path, text):
    (tmp_path / "a").write_text(text)
    assert read_events(tmp_path / "a") == EventTable([DOG])


@pytest.mark.parametrize(
    "text",
    [
        '"video","start","end","label","score"\n"a","1","2.5","dog","0.5"\n',
        "video;start;end;label;score\na.mp4;1,0;2,5;dog;0,5\n",
        "Filename\tOnset\tOffset\tEvent_Label\tConfidence\na.wav\t1\t2.5\tdog\t0.5\n",
    ],
)
def test_tables_that_a_spreadsheet_has_saved_keep_their_scores(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    assert read_events(tmp_path / "a.csv") == EventTable([Event("a", 1.0, 2.5, "dog", 0.5)])
    assert read_any(tmp_path / "a.csv") == {"a": {"annotations": [{"segment": [1.0, 2.5], "label": "dog"}]}}


def test_one_file_is_about_the_video_that_it_is_named_after(tmp_path):
    for name in ("audacity", "elan"):
        write_events(TABLE, tmp_path / name, name)
        (path,) = (tmp_path / name).glob("a.*")
        assert read_events(path) == EventTable([TABLE.events[0]])


def test_results_may_be_packed(tmp_path):
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(TABLE.to_activitynet()).encode()))
    assert read_events(tmp_path / "a.json.gz") == TABLE


def test_a_run_is_read_by_its_predictions(tmp_path):
    TABLE.write_json(tmp_path / "predictions" / "test.json")
    assert read_events(tmp_path) == TABLE
    TABLE.write_json(tmp_path / "predictions" / "validation.json")
    with pytest.raises(UserError, match=r"holds 2 files of predictions: give one of them: .*test\.json, .*validation"):
        read_events(tmp_path)


def test_corrected_exports_can_be_trained_on(tmp_path):
    table = EventTable([Event("a", 1.0004, 2.5, "dog", 0.5), Event("a", 2, 3, "cat", 0.25)])
    for name in ("audacity", "elan"):
        write_events(table, tmp_path / name, name)
        rows = [{"segment": [1.0004, 2.5], "label": "dog"}, {"segment": [2.0, 3.0], "label": "cat"}]
        assert read_any(tmp_path / name) == {"a": {"annotations": rows}}


def test_folders_of_subsets_are_annotations(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.txt").write_text(TEXTS["Audacity"])
    (tmp_path / "b.txt").write_text(TEXTS["Audacity"])
    assert read_events(tmp_path).videos == ["b", "a"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x": ""}, "x: is in no format that is known"),
        ({"x": '{"results": []}'}, 'x: needs an object "results"'),
        ({"x": '{"results": {"v": [], "v": []}}'}, "x: is not a valid annotation file: the key 'v' appears twice"),
        ({"x": '{"results": {"v": [{"segment": [0, 1]}]}}'}, "x: video 'v', event 1: needs a segment"),
        ({"x": '{"database": {"v": {}}}'}, "x: video 'v': needs a list of events"),
        ({"x": "video,start,end,label,score\nv,0,1,dog,high\n"}, "x: line 2: could not convert"),
        ({"x": "video;start;end;label;score\nv;0;1;dog;high\n"}, "x: line 2: score 'high' must be a number$"),
        ({"x/videos.json": "", "x/v.srt": ""}, "x: holds neither .eaf nor .txt files"),
        ({"x": "0\t1\tdog\n0\tone\tdog\n"}, "x: line 2: needs start, end and label"),
        ({"x": TEXTS["ELAN"][:-5]}, "x: is not whole XML"),
        ({"x": "\ud800"}, "x: is not a valid annotation file"),
        ({"x/a.txt": "0\t1\tdog\nno\n"}, r"a\.txt: line 2: needs start"),
        ({"x/a.eaf": TEXTS["ELAN"][:-5]}, r"a\.eaf: is not whole XML"),
        ({"x/a.eaf": TEXTS["ELAN"], "x/a.txt": ""}, "x: holds both .eaf and .txt files"),
        ({"x/notes.md": ""}, "x: holds neither .eaf nor .txt files"),
        (
            {"x/videos.json": '{"videos": [{"video": "v", "file": "v.srt"}], "order": []}'},
            "'v.srt' must be the name of a",
        ),
        ({"x/predictions/notes.md": ""}, "x: holds 0 files of predictions: test or predict first"),
        ({}, r"x: cannot be read \(No such file or directory\)"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(UserError, match=message):
        read_events(tmp_path / "x")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"a\.json: cannot be read \(not a regular file\)"):
        read_events(tmp_path / "a.json")
