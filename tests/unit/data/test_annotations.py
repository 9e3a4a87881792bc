import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.data.annotations import read_annotations
from avel.errors import UserError
from tests.unit.data.files import REAL, entry, event, write_annotations


def test_reads_videos_in_the_order_of_the_file(tmp_path):
    database = {
        "zebra": entry(event(1, 2), event(0.5, 9.5, "cat meowing", 1), subset="Training"),
        "ant": entry(event(0, 10), subset="VAL"),
        "-Rjm_gv0": entry(event(3, 4, "cat meowing", 1), subset="test"),
    }
    annotations = read_annotations(write_annotations(tmp_path, database))
    assert [(a.video, a.split) for a in annotations.videos] == [
        ("zebra", "train"),
        ("ant", "validation"),
        ("-Rjm_gv0", "test"),
    ]
    zebra = annotations.videos[0]
    assert zebra.segments.tolist() == [[1, 2], [0.5, 9.5]]
    assert zebra.segments.dtype == np.float64
    assert zebra.labels.tolist() == [0, 1]
    assert annotations.class_names == ("dog barking", "cat meowing")
    assert [a.video for a in annotations.split("validation")] == ["ant"]


def without(key, value):
    return {k: v for k, v in value.items() if k != key}


BAD_VIDEOS = {
    "negative label id": (entry(event(label_id=-1)), "unknown label_id -1"),
    "label id that no tensor holds": (entry(event(label_id=2**63)), "unknown label_id 9223372036854775808"),
    "label id of text": (entry(event(label_id="0")), "unknown label_id '0'"),
    "label id of truth": (entry(event(label_id=True)), "unknown label_id True"),
    "label of number": (entry(event(label=7)), "label 7 must be a string"),
    "label of nothing": (entry(event(label=" ")), "label ' ' names no class"),
    "one id, two names": (entry(event(), event(label="cat meowing")), "label_id 0 is 'cat meowing' here"),
    "event behind the video": (entry(event(11, 12)), "lies outside the video of 10 s"),
    "event right behind the video": (entry(event(10.1, 10.3)), "lies outside the video of 10 s"),
    "event far beyond the end": (entry(event(5, 11)), "lies outside the video of 10 s"),
    "event far before the start": (entry(event(-1, 5)), "lies outside the video of 10 s"),
    "inverted event": (entry(event(5, 4)), "ends before it starts"),
    "NaN time": (entry(event(float("nan"), 4)), "segment nan must be a finite number"),
    "infinite time": (entry(event(1, float("inf"))), "segment inf must be a finite number"),
    "time of text": (entry(event("1", 4)), "segment '1' must be a finite number"),
    "huge time": (entry(event(1, 10**400)), "must be a finite number"),
    "three times": (entry({**event(), "segment": [1, 2, 3]}), "must be [start, end]"),
    "no segment": (entry(without("segment", event())), "the key 'segment' is missing"),
    "no label": (entry(without("label", event())), "the key 'label' is missing"),
    "no label id": (entry(without("label_id", event())), "the key 'label_id' is missing"),
    "event of text": (entry("dog barking"), "the key 'label_id' is missing"),
    "no subset": (without("subset", entry(event())), "the key 'subset' is missing"),
    "no duration": (without("duration", entry(event())), "the key 'duration' is missing"),
    "no annotations": (without("annotations", entry(event())), "the key 'annotations' is missing"),
    "annotations of text": ({**entry(), "annotations": "none"}, '"annotations" must be a list'),
    "unknown subset": (entry(event(), subset="holdout"), "unknown subset 'holdout'"),
    "no length": (entry(event(), duration=0), "duration 0 s must be positive"),
    "NaN duration": (entry(event(), duration=float("nan")), "duration nan must be a finite number"),
    "entry of text": ("train", "the key 'subset' is missing"),
}


@pytest.mark.parametrize(("bad", "message"), BAD_VIDEOS.values(), ids=BAD_VIDEOS.keys())
def test_a_bad_video_is_named(tmp_path, bad, message):
    path = write_annotations(tmp_path, {"good": entry(event()), "v_bad": bad})
    with pytest.raises(UserError) as caught:
        read_annotations(path)
    assert str(caught.value).startswith(f"{path}: video 'v_bad': ")
    assert message in str(caught.value)


@pytest.mark.parametrize("video", ["", ".", "..", "/", "../../etc/x", "a\\b", "a\0b"])
def test_an_id_that_is_a_path_is_refused(tmp_path, video):
    with pytest.raises(UserError, match="the id must be a plain name"):
        read_annotations(write_annotations(tmp_path, {video: entry(event())}))


BAD_FILES = {
    "cut off": ('{"database": {"a": {', "is not a valid annotation file"),
    "empty": ("", "is not a valid annotation file"),
    "list": ("[]", 'needs a non-empty object "database"'),
    "no database": ('{"version": 1}', 'needs a non-empty object "database"'),
    "no videos": ('{"database": {}}', 'needs a non-empty object "database"'),
    "too deep": ("[" * 100_000, "is not a valid annotation file"),
    "duplicate id": ('{"database": {"v_twice": {}, "v_twice": {}}}', "the key 'v_twice' appears twice"),
}


@pytest.mark.parametrize(("text", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_named(tmp_path, text, message):
    path = write_annotations(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_annotations(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "annotations.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"annotations\.json: is not a valid annotation file"):
        read_annotations(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.json: cannot be read \(No such file or directory\)"):
        read_annotations(tmp_path / "absent.json")


def test_events_of_zero_length_are_dropped_and_counted(tmp_path):
    path = write_annotations(tmp_path, {"a": entry(event(2, 2), event(3, 4)), "b": entry(event(), event(10, 10))})
    with pytest.warns(UserWarning, match=r"annotations\.json: 2 events of zero length dropped; first in video 'a'"):
        annotations = read_annotations(path)
    assert [a.segments.tolist() for a in annotations.videos] == [[[3, 4]], [[1, 2]]]


def test_events_slightly_beyond_the_video_are_clipped_and_counted(tmp_path):
    path = write_annotations(tmp_path, {"a": entry(event(-0.4, 3)), "b": entry(event(9, 10.5))})
    with pytest.warns(UserWarning, match="2 events clipped to the length of their video; first in video 'a'"):
        annotations = read_annotations(path)
    assert [a.segments.tolist() for a in annotations.videos] == [[[0, 3]], [[9, 10]]]


def test_videos_without_events_are_kept_and_counted(tmp_path):
    path = write_annotations(tmp_path, {"a": entry(event()), "empty": entry()})
    with pytest.warns(UserWarning, match="1 videos without events kept as negatives; first in video 'empty'"):
        annotations = read_annotations(path)
    assert annotations.videos[1].segments.shape == (0, 2)
    assert annotations.videos[1].labels.shape == (0,)


def test_one_class_with_two_ids_is_refused(tmp_path):
    path = write_annotations(tmp_path, {"a": entry(event(), event(label_id=1))})
    with pytest.raises(UserError, match=r"'dog barking' has 2 label ids, \[0, 1\]"):
        read_annotations(path)


def test_a_file_without_any_event_is_refused(tmp_path):
    path = write_annotations(tmp_path, {"a": entry()})
    with pytest.warns(UserWarning, match="without events"), pytest.raises(UserError, match="has no events"):
        read_annotations(path)


@pytest.mark.filterwarnings("ignore:.*without events")
def test_videos_without_any_event_can_be_searched_for_listed_classes(tmp_path):
    path = write_annotations(tmp_path, {"a": entry()})
    assert read_annotations(path, class_names=["owl", "bus"]).class_names == ("owl", "bus")


def test_gaps_in_the_label_ids_need_a_stated_number_of_classes(tmp_path):
    path = write_annotations(tmp_path, {"a": entry(event(), event(label="cat meowing", label_id=2))})
    with pytest.raises(UserError, match="video 'a' has label_id 2 .*, but no event has 1"):
        read_annotations(path)
    names = read_annotations(path, num_classes=4).class_names
    assert names == ("dog barking", "class 1", "cat meowing", "class 3")
    with pytest.raises(UserError, match=r"unknown label_id 2 \('cat meowing'\), data.num_classes is 2"):
        read_annotations(path, num_classes=2)


def unnumbered(*labels):
    return entry(*(without("label_id", event(label=label)) for label in labels))


def test_classes_without_numbers_are_numbered_alphabetically(tmp_path):
    path = write_annotations(tmp_path, {"a": unnumbered("frog", "bird"), "b": unnumbered("Zebra", "bird")})
    annotations = read_annotations(path)
    assert annotations.class_names == ("Zebra", "bird", "frog")
    assert [video.labels.tolist() for video in annotations.videos] == [[2, 1], [0, 1]]
    with pytest.raises(UserError, match="has 3 classes, data.num_classes is 4: set that to null, or list all classes"):
        read_annotations(path, num_classes=4)


def test_a_list_of_classes_decides_their_numbers(tmp_path):
    for events in (unnumbered("frog", "bird"), entry(event(label="frog", label_id=1), event(label="bird"))):
        path = write_annotations(tmp_path, {"a": events})
        annotations = read_annotations(path, class_names=["bird", "cow", "frog"])
        assert annotations.class_names == ("bird", "cow", "frog")
        assert annotations.videos[0].labels.tolist() == [2, 0]
        with pytest.raises(UserError, match="video 'a': unknown class 'frog': data.class_names lists bird, cow"):
            read_annotations(path, class_names=["bird", "cow"])


def test_numbers_are_given_everywhere_or_nowhere(tmp_path):
    path = write_annotations(tmp_path, {"a": entry(event()), "b": unnumbered("frog")})
    with pytest.raises(UserError, match="video 'b': the key 'label_id' is missing"):
        read_annotations(path)


def test_frame_rates_are_read(tmp_path):
    path = write_annotations(tmp_path, {"a": entry(event()) | {"fps": 25}, "b": entry(event())})
    assert [video.fps for video in read_annotations(path).videos] == [25.0, None]
    for wrong in (0, -1, "25", float("nan")):
        path = write_annotations(tmp_path, {"a": entry(event()) | {"fps": wrong}})
        with pytest.raises(UserError, match="video 'a': fps .* must be a positive number of frames per second"):
            read_annotations(path)


def test_a_packed_file_is_read(tmp_path):
    packed = tmp_path / "a.json.gz"
    packed.write_bytes(gzip.compress(write_annotations(tmp_path, {"a": entry(event())}).read_bytes()))
    assert [video.video for video in read_annotations(packed).videos] == ["a"]
    for damaged in (packed.read_bytes()[:-9], b"no gzip", packed.read_bytes()[:12] + b"x" * 40):
        packed.write_bytes(damaged)
        with pytest.raises(UserError, match=r"a\.json\.gz: is not a whole gzip file"):
            read_annotations(packed)


def test_training_videos_are_held_out_by_their_ids(tmp_path):
    def held_out(ids, share):
        database = {video: entry(event()) for video in ids} | {"t": entry(event(), subset="test")}
        annotations = read_annotations(write_annotations(tmp_path, database)).hold_out(share)
        assert [video.video for video in annotations.videos] == list(database)
        assert [video.video for video in annotations.split("test")] == ["t"]
        return {video.video for video in annotations.split("validation")}

    ids = [f"video {i}" for i in range(40)]
    chosen = held_out(ids, 0.25)
    assert len(chosen) == 10
    assert held_out(ids[::-1], 0.25) == chosen
    assert held_out(ids, 0.1) < chosen
    assert len(held_out(ids, 0.001)) == 1
    assert held_out([f"movie {i}" for i in range(40)], 0.25).isdisjoint(chosen)


@st.composite
def databases(draw):
    seconds = st.floats(0, 60, allow_nan=False, width=32)
    ids = st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1)
    database = {}
    for video in draw(st.lists(ids.filter(lambda i: i not in {".", ".."}), min_size=1, max_size=5, unique=True)):
        spans = draw(st.lists(st.tuples(seconds, seconds).filter(lambda s: s[0] < s[1]), min_size=1, max_size=5))
        database[video] = entry(*(event(*span) for span in spans), duration=60.0)
    return database


@given(databases())
def test_what_is_right_is_read_unchanged(tmp_path_factory, database):
    annotations = read_annotations(write_annotations(tmp_path_factory.mktemp("a"), database))
    assert [a.video for a in annotations.videos] == list(database)
    for annotation in annotations.videos:
        rows = database[annotation.video]["annotations"]
        assert annotation.segments.tolist() == [row["segment"] for row in rows]


@pytest.mark.skipif(not REAL.exists(), reason="the real UnAV-100 annotations lie outside of the repository")
def test_real_annotations():
    annotations = read_annotations(REAL)
    statistics = json.loads((REAL.parents[1] / "statistics.json").read_text())["unav100"]
    for split in ("train", "validation", "test"):
        videos = annotations.split(split)
        assert len(videos) == statistics["videos"][split]
        assert sum(len(video.labels) for video in videos) == statistics["events"][split]
        labels = np.unique(np.concatenate([video.labels for video in videos]))
        assert len(labels) == statistics["classes_per_split"][split]
    assert len(annotations.class_names) == 100
    assert annotations.class_names[36] == "skateboarding"
