from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.data.ave_annotations import read_ave_annotations
from avel.data.synthetic_ave_annotations import (
    LEAST,
    LENGTH_COUNTS,
    choose_clips,
    draw_clips,
    draw_matching_orders,
    draw_orders,
    to_lines,
)
from avel.errors import UserError

CLIPS = draw_clips(videos=80, classes=6, seed=0)


def lengths(annotations):
    return np.diff(annotations.segments)[:, 0]


@st.composite
def sizes(draw):
    classes = draw(st.integers(2, 12))
    return classes, draw(st.integers(LEAST * classes, 200))


@given(sizes(), st.integers(0, 9))
@settings(max_examples=50)
def test_any_size_is_drawn_and_split(size, seed):
    classes, videos = size
    clips = draw_clips(videos=videos, classes=classes, seed=seed)
    assert len(set(clips.videos)) == videos
    assert np.bincount(clips.classes).min() >= LEAST
    assert clips.background == clips.classes.max() + 1 == classes
    assert ((clips.segments >= 0) & (clips.segments <= 10)).all()
    assert lengths(clips).min() >= 2
    for orders in (draw_orders(clips, seed), draw_matching_orders(clips, seed)):
        assert list(orders) == ["train", "val", "test"]
        assert np.sort(np.concatenate([*orders.values()])).tolist() == list(range(videos))
        assert min(map(len, orders.values())) > 0


def test_lengths_are_those_of_ave():
    clips = draw_clips(videos=4142, classes=28, seed=3)
    assert np.bincount(lengths(clips)).tolist() == list(LENGTH_COUNTS)
    partial = clips.segments[lengths(clips) < 10]
    assert (partial[:, 0] == 0).mean() == pytest.approx(0.36, abs=0.06)
    assert (partial[:, 1] == 10).mean() == pytest.approx(0.46, abs=0.06)


def test_small_sets_have_as_many_partial_events():
    assert [int((lengths(draw_clips(videos=60, classes=4, seed=seed)) < 10).sum()) for seed in range(3)] == [20] * 3


def test_classes_are_grouped_and_get_rarer():
    counts = np.bincount(CLIPS.classes)
    assert (np.diff(CLIPS.classes) >= 0).all()
    assert (np.diff(counts) <= 0).all()
    assert 1.5 < counts[0] / counts[-1] < 4


@pytest.mark.parametrize(("videos", "classes"), [(5, 2), (30, 1), (30, 0), (0, 2)])
def test_impossible_sizes_are_refused(videos, classes):
    with pytest.raises(UserError, match="at least 2 classes and 3 videos of each"):
        draw_clips(videos=videos, classes=classes, seed=0)


def test_splits_are_sorted_by_class_and_random_inside():
    orders = draw_orders(CLIPS, 0)
    for rows in orders.values():
        labels = CLIPS.classes[rows]
        assert (np.diff(labels) >= 0).all()
        assert set(labels.tolist()) == set(range(6))
    assert (np.diff(orders["train"]) < 0).any()
    assert orders["train"].tolist() != draw_orders(CLIPS, 1)["train"].tolist()


@pytest.mark.parametrize(("videos", "held_out"), [(100, 20), (300, 60), (500, 60), (4143, 402)])
def test_large_sets_hold_out_as_much_as_ave(videos, held_out):
    orders = draw_orders(draw_clips(videos=videos, classes=5, seed=0), 0)
    assert [len(rows) for rows in orders.values()] == [videos - 2 * held_out, held_out, held_out]


def test_matching_is_tested_on_partial_events():
    segments = CLIPS.segments.copy()
    segments[::2] = 0  # no event at all, as in row 26 of AVE
    partial = {*np.flatnonzero((lengths(CLIPS) < 10) & (np.arange(80) % 2 == 1)).tolist()}
    few = {
        split: partial & {*rows} for split, rows in draw_matching_orders(replace(CLIPS, segments=segments), 0).items()
    }
    assert len(few["test"]) == (len(partial) + 1) // 2, "half of them"
    assert len(few["val"]) > 0
    orders = draw_matching_orders(CLIPS, 0)
    assert sorted(np.concatenate([*orders.values()]).tolist()) == [*range(80)]
    assert (lengths(CLIPS)[orders["test"]] < 10).all()
    assert len(orders["test"]) == len(orders["val"]) == 16
    assert (np.diff(orders["train"]) > 0).all()
    assert (np.diff(orders["val"]) > 0).all()
    assert (np.diff(orders["test"]) < 0).any()


def test_matching_needs_a_partial_event():
    segments = np.tile([0, 10], (len(CLIPS), 1))
    with pytest.raises(UserError, match="no video has an event that leaves some seconds free"):
        draw_matching_orders(replace(CLIPS, segments=segments), 0)


def test_splits_need_three_videos_of_each_class():
    classes = np.where(np.arange(len(CLIPS)) < 2, 0, 1)
    with pytest.raises(UserError, match="2 videos of 'a' cannot be split in three"):
        draw_orders(replace(CLIPS, classes=classes, class_names=("a", "b")), 0)


def test_lines_are_read_back(tmp_path):
    path = tmp_path / "Annotations.txt"
    path.write_text("\n".join(to_lines(CLIPS)))
    read = read_ave_annotations(path, snippets=10)
    assert (read.videos, read.class_names) == (CLIPS.videos, CLIPS.class_names)
    assert np.array_equal(read.snippet_labels(), CLIPS.snippet_labels())


def test_a_subset_has_the_most_frequent_classes_numbered_anew():
    # class 0 is the rarest, and the first to appear in the file is 2
    order = np.argsort(-CLIPS.classes, kind="stable")
    clips = replace(CLIPS, classes=5 - CLIPS.classes[order], segments=CLIPS.segments[order])
    subset = choose_clips(clips, videos=20, classes=3, seed=0)
    assert len(subset) == 20
    assert subset.class_names == tuple(clips.class_names[label] for label in (3, 4, 5))
    assert np.unique(subset.classes).tolist() == [0, 1, 2]
    rows = [clips.videos.index(video) for video in subset.videos]
    assert rows == sorted(rows)
    assert [clips.class_names[label] for label in clips.classes[rows]] == [
        subset.class_names[label] for label in subset.classes
    ]
    assert np.array_equal(subset.segments, clips.segments[rows])


def test_a_subset_does_not_depend_on_the_order_of_the_file():
    back = replace(CLIPS, videos=CLIPS.videos[::-1], sources=CLIPS.videos[::-1], classes=CLIPS.classes[::-1])
    chosen = [set(choose_clips(clips, videos=30, classes=2, seed=4).videos) for clips in (CLIPS, back)]
    assert chosen[0] == chosen[1]
    assert chosen[0] != set(choose_clips(CLIPS, videos=30, classes=2, seed=5).videos)


def test_classes_alone_take_all_their_videos():
    assert len(choose_clips(CLIPS, videos=None, classes=2, seed=0)) == np.bincount(CLIPS.classes)[:2].sum()


@pytest.mark.parametrize(
    ("videos", "classes", "message"),
    [
        (None, 7, "has 6 classes, cannot choose 7"),
        (None, 1, "cannot choose 1"),
        (81, None, "80 videos show these 6 classes, cannot choose 81"),
        (0, None, "cannot choose 0"),
        (17, None, "17 videos leave some of 6 classes fewer than 3: ask for more videos"),
    ],
)
def test_impossible_subsets_are_refused(videos, classes, message):
    with pytest.raises(UserError, match=message):
        choose_clips(CLIPS, videos=videos, classes=classes, seed=0)
