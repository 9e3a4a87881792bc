import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings

from avel.errors import UserError
from avel.events import Event, EventTable
from tests.unit.exchange.drawn import TABLES


@settings(max_examples=60)
@given(TABLES)
def test_json_and_csv_lose_nothing(tmp_path_factory, table):
    folder: Path = tmp_path_factory.mktemp("events")
    table.write_json(folder / "events.json")
    table.write_csv(folder / "events.csv")
    assert EventTable.read_json(folder / "events.json") == table
    assert EventTable.read_csv(folder / "events.csv") == table


@settings(max_examples=50)
@given(TABLES)
def test_groups_and_order_make_the_table(table):
    assert EventTable.grouped(table.by_video(), table.order()) == table
    joined = EventTable.grouped(table.by_video())
    assert joined.by_video() == table.by_video()
    assert joined.order() == []


def test_an_order_of_other_events_does_not_count():
    groups = {"a": [Event("a", 0, 1, "dog")], "b": [Event("b", 0, 1, "dog")]}
    assert [event.video for event in EventTable.grouped(groups, [1, 0])] == ["b", "a"]
    for order in ([0], [1, 1], [0, 1, 2], [-1, 0]):
        assert [event.video for event in EventTable.grouped(groups, order)] == ["a", "b"]


def test_the_table_is_readable(tmp_path):
    table = EventTable([Event("b", 0.5, 1, 'a "b", c', 0.25), Event("c", 0, 1, "")], ["a", "b", "c", "d"])
    table.write_csv(tmp_path / "events.csv")
    assert (tmp_path / "events.csv").read_text().splitlines() == [
        "video,start,end,label,score",
        "a,,,,",
        'b,0.5,1,"a ""b"", c",0.25',
        "c,0,1,,",
        "d,,,,",
    ]


def test_the_submission_layout_is_activitynets():
    table = EventTable([Event("v", 1.0, 2.5, "dog barking", 0.5), Event("v", 3.0, 4.0, "rain")], ["u"])
    document = table.to_activitynet()
    assert document["results"] == {
        "u": [],
        "v": [
            {"segment": [1.0, 2.5], "label": "dog barking", "score": 0.5},
            {"segment": [3.0, 4.0], "label": "rain"},
        ],
    }
    assert set(document) == {"version", "results", "external_data"}
    assert json.dumps(document)


def test_a_threshold_keeps_annotations_and_videos():
    table = EventTable([Event("v", 1, 2, "dog", 0.2), Event("v", 5, 6, "cat", 0.5), Event("w", 0, 1, "cow")])
    assert [event.label for event in table.above(0.5)] == ["cat", "cow"]
    assert table.above(2).videos == ["v", "w"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ("[]", 'needs an object "results"'),
        ('{"results": {"v": {}}}', "video 'v': needs a list of events"),
        ('{"results": {"v": [], "w": [5]}}', "video 'w', event 1: needs a segment of two numbers of seconds"),
        ('{"results": {"v": [{"segment": [0, 1], "label": "a"}, {"segment": [0], "label": "a"}]}}', "'v', event 2"),
        ('{"results": {"v": [{"segment": [0, "1"], "label": "a"}]}}', "event 1"),
        ('{"results": {"v": [{"segment": [0, NaN], "label": "a"}]}}', "event 1"),
        (f'{{"results": {{"v": [{{"segment": [0, 1{"0" * 400}], "label": "a"}}]}}}}', "event 1"),
        ('{"results": {"v": [{"segment": [0, 1], "label": 5}]}}', "event 1"),
        ('{"results": {"v": [{"segment": [0, 1], "label": "a", "score": true}]}}', "event 1"),
        ('{"results": {}, "order": 5}', '"order" must be a list of whole numbers'),
        ('{"results": {}, "order": [true]}', '"order" must be a list of whole numbers'),
    ],
)
def test_a_bad_document_is_named(tmp_path, text, message):
    (tmp_path / "events.json").write_text(text)
    with pytest.raises(UserError, match=rf"events\.json: is not in ActivityNet's layout of results: .*{message}"):
        EventTable.read_json(tmp_path / "events.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: lacks the column 'video'"),
        ("video,start,end,label\n", "line 1: lacks the column 'score'"),
        ("v,0,1,dog\n", "line 2: must have as many cells as the header"),
        ("v,0,1,dog,,\n", "line 2: must have as many cells as the header"),
        ("v,0,1,dog,\n\nv,0,soon,dog,\n", "line 4: could not convert string to float: 'soon'"),
        ("v,0,inf,dog,\n", "line 2: inf must be a finite number"),
        ("v,0,,dog,\n", "line 2: could not convert"),
        ('v,0,1,"dog,', "line 2: unexpected end of data"),
    ],
)
def test_a_bad_table_is_named(tmp_path, text, message):
    header = "video,start,end,label,score\n" if text.startswith("v,") else ""
    (tmp_path / "events.csv").write_text(header + text)
    with pytest.raises(UserError, match=rf"events\.csv: {message}"):
        EventTable.read_csv(tmp_path / "events.csv")


def test_a_table_that_is_no_text_is_named(tmp_path):
    (tmp_path / "events.csv").write_bytes("video,start,end,label,score\nv,0,1,Löwe,\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"events\.csv: line 1: .*utf-8"):
        EventTable.read_csv(tmp_path / "events.csv")


@pytest.mark.parametrize("read", [EventTable.read_json, EventTable.read_csv])
def test_a_pipe_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(OSError, match="not a regular file"):
        read(tmp_path / "a")
