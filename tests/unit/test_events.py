import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from avel.events import Event, EventTable

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), min_size=1, max_size=8)
times = st.floats(0, 1e4)
events = st.builds(Event, video=names, start=times, end=times, label=names, score=st.none() | st.floats(0, 1))


@settings(max_examples=50)
@given(st.lists(events))
def test_json_and_csv_lose_nothing(tmp_path_factory, rows):
    folder: Path = tmp_path_factory.mktemp("events")
    table = EventTable(rows, ["a video without events"])
    table.write_json(folder / "events.json")
    table.write_csv(folder / "events.csv")
    assert EventTable.read_json(folder / "events.json").by_video() == table.by_video()
    assert EventTable.read_csv(folder / "events.csv").events == rows


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
