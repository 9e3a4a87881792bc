import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.data.annotations import read_annotations
from avel.data.event_checks import AnnotationRules, class_numbers, first_occurrences
from avel.errors import UserError
from tests.unit.data.files import entry, event, write_annotations


def read(tmp_path, *events, **rules):
    path = write_annotations(tmp_path, {"a": entry(*events), "b": entry(event(1, 2))})
    return read_annotations(path, rules=AnnotationRules(**rules)).videos[0]


BEYOND = {  # event in a video of 10 s -> what is left of it, clipped and kept
    "a little beyond": ((9, 10.4), [9, 10], [9, 10.4]),
    "far beyond": ((4, 40), [4, 10], [4, 40]),
    "before and behind": ((-3, 40), [0, 10], [-3, 40]),
    "behind": ((11, 12), None, [11, 12]),
    "right behind": ((10, 12), None, [10, 12]),
    "before": ((-2, -1), None, [-2, -1]),
    "inverted": ((5, 4), None, None),
    "empty": ((5, 5), None, None),
    "inside": ((5, 6), [5, 6], [5, 6]),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("span", "clipped", "kept"), BEYOND.values(), ids=BEYOND.keys())
def test_events_beyond_their_video_are_clipped_or_kept(tmp_path, span, clipped, kept):
    for beyond, left in {"clip": clipped, "keep": kept}.items():
        video = read(tmp_path, event(*span), event(1, 3), beyond=beyond)
        assert video.segments.tolist() == [*([left] if left else []), [1, 3]]
        assert len(video.labels) == len(video.segments)


def test_what_is_mended_is_counted(tmp_path, recwarn):
    events = (event(4, 40), event(11, 12), event(5, 4), event(3, 3))
    read(tmp_path, *events, beyond="clip")
    told = sorted(str(warning.message).partition("json: ")[2] for warning in recwarn)
    assert told == [
        "1 events clipped to the length of their video; first in video 'a'",
        "1 events of zero length dropped; first in video 'a'",
        "1 events outside of their video dropped; first in video 'a'",
        "1 events that end before they start dropped; first in video 'a'",
    ]
    with pytest.warns(
        UserWarning, match="2 events beyond the end of their video kept as annotated; first in video 'a'"
    ):
        read(tmp_path, *events[:2], event(5, 6), beyond="keep")


def test_an_unknown_choice_is_refused():
    with pytest.raises(UserError, match="data.beyond=cut: unknown, choose one of refuse, clip, keep"):
        AnnotationRules(beyond="cut")


def test_events_that_repeat_another_one_are_dropped(tmp_path):
    events = (event(1, 2), event(1.0009, 2.0009), event(1.0018, 2), event(1, 2, "cat meowing", 1), event(1, 2))
    with pytest.warns(UserWarning, match="2 events dropped that repeat another one; first in video 'a'"):
        video = read(tmp_path, *events, drop_repeated=True)
    assert video.segments.tolist() == [[1, 2], [1.0018, 2], [1, 2]]
    assert video.labels.tolist() == [0, 0, 1]
    assert len(read(tmp_path, *events).segments) == 5


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1)), max_size=8))
def test_no_kept_event_repeats_an_earlier_one_and_every_dropped_one_does(rows):
    segments = np.array([row[:2] for row in rows], dtype=np.float64).reshape(-1, 2) * 0.6e-3
    labels = np.array([row[2] for row in rows], dtype=np.int64)
    kept = first_occurrences(segments, labels).tolist()

    def repeats(i, j):
        return labels[i] == labels[j] and abs(segments[i] - segments[j]).max() <= 1e-3

    for i in range(len(rows)):
        assert (i in kept) != any(repeats(i, j) for j in kept if j < i)


def test_memory_grows_with_the_number_of_events_and_not_with_its_square():
    starts = np.repeat(np.arange(500) * 0.0011, 2)
    tracemalloc.start()
    kept = first_occurrences(np.stack([starts, starts + 1], axis=1), np.zeros(1000, np.int64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept.tolist() == [*range(0, 1000, 2)]
    assert peak < 1000**2


def test_ignored_labels_are_no_classes(tmp_path):
    database = {"a": entry(event(label="Ambiguous", label_id=1), event()), "b": entry(event(label="Zebra", label_id=1))}
    with pytest.warns(UserWarning, match="1 events labelled 'Ambiguous' left out; first in video 'a'"):
        annotations = read_annotations(
            write_annotations(tmp_path, database), rules=AnnotationRules(ignored=("Ambiguous",))
        )
    assert annotations.class_names == ("dog barking", "Zebra")
    assert [len(video.labels) for video in annotations.videos] == [1, 1]


def test_subsets_may_be_left_out_or_mean_another_split(tmp_path):
    database = {
        "a": entry(event()),
        "b": entry(event(), subset="Validation"),
        "c": {"subset": "testing", "annotations": []},
    }
    path = write_annotations(tmp_path, database)
    rules = AnnotationRules(subsets={"train": "train", "validation": "test", "testing": None})
    assert [(video.video, video.split) for video in read_annotations(path, rules=rules).videos] == [
        ("a", "train"),
        ("b", "test"),
    ]
    with pytest.raises(UserError, match=r"video 'b': unknown subset 'Validation'; known: train \(1 of 2 faulty videos"):
        read_annotations(path, rules=AnnotationRules(subsets={"train": "train"}))


def test_classes_are_numbered_by_name_unless_the_file_numbers_them():
    def database(*rows):
        return {"a": {"annotations": list(rows)}, "b": "no entry", "c": {"annotations": ["no row"]}}

    named = [{"label": "dog"}, {"label": "Cat"}, {"label": "ant"}, {"label": "Ambiguous"}]
    assert class_numbers(database(*named), None, ("Ambiguous",)) == {"Cat": 0, "ant": 1, "dog": 2}
    assert class_numbers(database(*named), ["dog", "ant"], ()) == {"dog": 0, "ant": 1}
    assert class_numbers(database(*named, {"label": "dog", "label_id": 7}), None, ()) is None
    assert class_numbers(database(), None, ()) is None
