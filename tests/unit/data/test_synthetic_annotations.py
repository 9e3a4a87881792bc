import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.data.synthetic_annotations import choose_subset, draw_database, split_counts, stable_rng
from avel.errors import UserError
from tests.unit.data.files import REAL, entry, event


@pytest.fixture(scope="module")
def drawn():
    return draw_database(videos=2000, classes=30, seed=0)


def spans(database):
    for video in database.values():
        for row in video["annotations"]:
            yield video["duration"], row["segment"][1] - row["segment"][0]


def test_drawn_videos_have_the_statistics_of_unav100(drawn):
    """The numbers of the real file: 42.1 s and 2.79 events per video, 41 % of one event, events of 2.2 / 6.4 / 21 s."""
    counts = np.array([len(video["annotations"]) for video in drawn.values()])
    lengths = np.array([length for _, length in spans(drawn)])
    assert np.mean([video["duration"] for video in drawn.values()]) == pytest.approx(42.1, rel=0.05)
    assert counts.mean() == pytest.approx(2.79, rel=0.1)
    assert (counts == 1).mean() == pytest.approx(0.41, abs=0.04)
    assert np.quantile(lengths, [0.25, 0.5, 0.75]) == pytest.approx([2.19, 6.44, 21.1], rel=0.25)
    assert np.mean([length / duration > 0.99 for duration, length in spans(drawn)]) > 0.05
    classes = [len({row["label_id"] for row in video["annotations"]}) for video in drawn.values()]
    assert np.mean(classes) == pytest.approx(1.6, abs=0.15)
    overlapping = [overlaps(video["annotations"]) for video in drawn.values()]
    assert np.mean(overlapping) == pytest.approx(3041 / 10790, abs=0.08)


def overlaps(rows):
    return any(a["segment"][1] > b["segment"][0] + 1e-3 for a, b in zip(rows, rows[1:], strict=False))


def test_drawn_events_lie_in_their_video_and_do_not_overlap_their_class(drawn):
    for video in drawn.values():
        rows = video["annotations"]
        assert all(0 <= row["segment"][0] < row["segment"][1] <= video["duration"] for row in rows)
        for label in {row["label_id"] for row in rows}:
            assert not overlaps([row for row in rows if row["label_id"] == label])


def test_every_class_is_in_every_split(drawn):
    for split, size in {"train": 1200, "validation": 400, "test": 400}.items():
        videos = [video for video in drawn.values() if video["subset"] == split]
        assert len(videos) == size
        assert {row["label_id"] for video in videos for row in video["annotations"]} == set(range(30))


def test_drawing_is_decided_by_the_seed():
    first, again, other = (draw_database(videos=20, classes=4, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(("videos", "classes"), [(10, 7), (10, 0), (0, 1)])
def test_too_few_videos_are_refused(videos, classes):
    with pytest.raises(UserError, match="cannot show"):
        draw_database(videos=videos, classes=classes, seed=0)


def test_more_classes_than_names_get_numbers():
    database = draw_database(videos=300, classes=120, seed=0)
    names = {row["label_id"]: row["label"] for video in database.values() for row in video["annotations"]}
    assert len(set(names.values())) == 120
    assert names[119] == "sound event 119"
    assert all(name == " ".join(name.split()) for name in names.values())


@given(st.integers(0, 1000), st.lists(st.integers(1, 100), min_size=1, max_size=5))
def test_split_counts_add_up(total, weights):
    counts = split_counts(total, dict(zip("abcde", weights, strict=False)))
    assert sum(counts.values()) == total
    for count, weight in zip(counts.values(), weights, strict=True):
        assert abs(count - total * weight / sum(weights)) < 1


def test_generators_depend_on_every_name():
    draws = {stable_rng(*key).random() for key in [(0, "a"), (1, "a"), (0, "b"), (0, "a", "b"), (0, "ab")]}
    assert len(draws) == 5


SMALL = {
    "a": entry(event(label="cat", label_id=4)),
    "b": entry(event(label="cat", label_id=4), event(3, 4, "dog", 7)),
    "c": entry(event(label="dog", label_id=7), subset="test"),
    "d": entry(event(label="cow", label_id=9), event(5, 6, "cat", 4)),
    "e": entry(event(label="cat", label_id=4), subset="test"),
}


def test_subset_takes_the_most_frequent_classes_and_renumbers_them():
    subset = choose_subset(SMALL, videos=None, classes=2, seed=0)
    assert list(subset) == ["a", "b", "c", "e"]
    assert subset["b"]["annotations"] == [event(label="cat", label_id=0), event(3, 4, "dog", 1)]
    assert SMALL["b"]["annotations"][1]["label_id"] == 7


@pytest.mark.parametrize(
    ("videos", "classes", "message"),
    [(None, 4, "has 3 classes, not 4"), (5, 2, "cannot choose 5"), (1, 3, "1 videos show only"), (None, 0, "not 0")],
)
def test_impossible_subsets_are_refused(videos, classes, message):
    with pytest.raises(UserError, match=message):
        choose_subset(SMALL, videos=videos, classes=classes, seed=0)


@pytest.mark.skipif(not REAL.exists(), reason="the real UnAV-100 annotations lie outside of the repository")
def test_subset_of_the_real_annotations():
    database = json.loads(REAL.read_text())["database"]
    subset = choose_subset(database, videos=300, classes=10, seed=0)
    assert len(subset) == 300
    names = {row["label_id"]: row["label"] for video in subset.values() for row in video["annotations"]}
    assert sorted(names) == list(range(10))
    assert names[0] == "man speaking"
    train = np.mean([video["subset"] == "train" for video in subset.values()])
    assert train == pytest.approx(6489 / 10790, abs=0.05)
    assert choose_subset(dict(reversed(database.items())), videos=300, classes=10, seed=0) == subset
