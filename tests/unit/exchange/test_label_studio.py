import json
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from avel.data.formats.label_studio import read_label_studio
from avel.events import Event, EventTable
from avel.exchange.label_studio import interface_text, tasks_text
from avel.exchange.media import Media
from avel.exchange.text import shown
from tests.unit.exchange.drawn import TABLES


def test_tasks_and_interface(tmp_path):
    table = EventTable([Event("v", 1.25, 2, "dog", 0.5), Event("v", 0, 3, "rain & <hail>", 1.0)], ["quiet"])
    media = Media(tmp_path / "my videos", {"v": tmp_path / "my videos" / "sub" / "v.mp4"})
    quiet, task = json.loads(tasks_text(table, media))
    assert quiet == {"data": {"video": "quiet"}, "predictions": [{"model_version": "avel", "result": []}]}
    assert task["data"] == {"video": "/data/local-files/?d=my%20videos/sub/v.mp4"}
    (prediction,) = task["predictions"]
    assert prediction["score"] == 0.75
    assert prediction["result"][0] == {
        "id": "avel1",
        "from_name": "label",
        "to_name": "audio",
        "type": "labels",
        "value": {"start": 1.25, "end": 2, "channel": 0, "labels": ["dog"]},
        "score": 0.5,
    }
    view = ElementTree.fromstring(interface_text(table))
    assert [label.get("value") for label in view.iter("Label")] == ["dog", "rain & <hail>"]
    assert {child.tag: child.get("name") for child in view} == {"Labels": "label", "Video": "video", "Audio": "audio"}
    assert view.find("Labels").get("toName") == "audio"


@settings(max_examples=30)
@given(TABLES)
def test_every_region_has_a_label_of_the_interface(table):
    tasks = json.loads(tasks_text(table, Media()))
    view = ElementTree.fromstring(interface_text(table))
    regions = [region for task in tasks for region in task["predictions"][0]["result"]]
    assert {label.get("value") for label in view.iter("Label")} == {
        label for region in regions for label in region["value"]["labels"]
    }
    assert sorted(region["value"]["start"] for region in regions) == sorted(event.start for event in table)
    assert [task["data"]["video"] for task in tasks] == table.videos


def test_what_people_confirm_is_read_as_annotations(tmp_path):
    table = EventTable([Event("v", 1.25, 2, " dog\t", 0.5)])
    media = Media(tmp_path, {"v": tmp_path / "v.mp4"})
    (task,) = json.loads(tasks_text(table, media))
    confirmed = task | {"id": 1, "annotations": [{"result": task["predictions"][0]["result"]}]}
    (entry,) = read_label_studio([confirmed]).values()
    assert entry["annotations"] == [{"segment": [1.25, 2], "label": shown(" dog\t")}]


@pytest.mark.parametrize("video", ["v", "../x"])
def test_videos_without_a_file_keep_their_ids(video):
    assert Media().local_url(video) == video
