import pytest

from avel.data.formats.completion import Seen, complete_durations, complete_subsets
from tests.unit.data.files import event


def entry(*ends, **known):
    return {"annotations": [event(0, end) for end in ends]} | known


def test_without_subsets_all_videos_are_for_training():
    assert complete_subsets({"a": {}, "b": {"subset": None}}) == {"a": {"subset": "train"}, "b": {"subset": "train"}}
    told = {"a": {"subset": "test"}, "b": {"subset": "Val"}}
    assert complete_subsets(told) == told


def test_all_videos_have_a_subset_or_none_has():
    with pytest.raises(
        ValueError, match="video 'b' has no subset, but others have: give one to every video, or to none"
    ):
        complete_subsets({"a": {"subset": "test"}, "b": {}})


@pytest.mark.parametrize(
    ("found", "seen", "duration"),
    [
        (entry(5, duration=60), Seen(20, slack=1), 60),
        (entry(5, duration=None), Seen(20, slack=1), 20),
        (entry(5, 20.5), Seen(20, slack=1), 20.5),
        (entry(5, 21.5), Seen(20, slack=1), 20),  # features and events do not fit: the event will be refused
        (entry(), Seen(20, slack=1), 20),
        (entry(9, 5), None, 9),
        (entry(), None, 1),
        ({"annotations": [{"label": "no times"}]}, Seen(20, slack=1), 20),
        ({"annotations": None}, None, 1),
        ({}, Seen(20, slack=1), 20),
    ],
)
def test_durations(found, seen, duration):
    assert complete_durations({"a": found}, lambda video: seen)["a"]["duration"] == duration
