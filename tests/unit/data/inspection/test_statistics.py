import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.data.inspection.statistics import (
    Spread,
    class_statistics,
    near_repeats,
    split_statistics,
    spread,
)
from tests.unit.data.inspection.videos import annotations, video

TIMES = st.integers(0, 20)
EVENTS = st.tuples(TIMES, st.integers(1, 9), st.integers(0, 1)).map(lambda e: (e[0], e[0] + e[1], e[2]))


def test_a_split():
    found = split_statistics(
        [video("a", (0, 2, 0), (1, 5, 1), (5, 6, 1)), video("b", duration=30), video("c", (0, 9, 1))]
    )
    assert (found.videos, found.without_events, found.events, found.classes) == (3, 1, 4, 2)
    assert (found.seconds, found.durations, found.lengths) == (50, Spread(10, 10, 30), Spread(1, 3, 9))
    assert found.overlapping == 0.5


def test_an_empty_split():
    found = split_statistics([])
    assert (found.videos, found.events, found.overlapping) == (0, 0, 0)
    assert found.durations is found.lengths is spread([]) is None


def test_classes():
    cat, dog, bird = class_statistics(
        annotations(
            video("a", (0, 2, 0), (1, 5, 1), (2, 4, 1)),
            video("b", (0, 9, 1), split="test"),
            names=("cat", "dog", "bird"),
        )
    )
    assert (cat.name, cat.events, cat.videos) == ("cat", {"train": 1, "validation": 0, "test": 0}, 1)
    assert (dog.events, dog.videos, dog.lengths) == ({"train": 2, "validation": 0, "test": 1}, 2, Spread(2, 4, 9))
    assert dog.total == 3
    assert (bird.total, bird.videos, bird.lengths) == (0, 0, None)


@given(st.lists(EVENTS, max_size=8))
def test_events_are_counted_that_overlap_another_one(events):
    expected = sum(
        any(i != j and a[0] < b[1] and b[0] < a[1] for j, b in enumerate(events)) for i, a in enumerate(events)
    )
    assert split_statistics([video("a", *events)]).overlapping == expected / max(len(events), 1)


@pytest.mark.parametrize(
    ("second", "alike"),
    [((0, 10, 0), True), ((0.4, 9.7, 0), True), ((0, 8.9, 0), False), ((0, 10, 1), False), ((20, 30, 0), False)],
)
def test_events_that_nearly_coincide(second, alike):
    assert near_repeats(video("a", (0, 10, 0), second)) == ([(0, 1)] if alike else [])


def test_a_video_without_events_repeats_nothing():
    assert near_repeats(video("a")) == []
