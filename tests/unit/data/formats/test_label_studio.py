import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.data.formats.label_studio import is_label_studio, read_label_studio
from tests.unit.data.formats.drawn import DATABASES


def task(*regions, video="/data/upload/3/0a1b2c3d-clip.mp4", **more):
    annotations = [{"id": 1, "was_cancelled": False, "ground_truth": False, "result": list(regions)}]
    return {"id": 7, "data": {"video": video}, "annotations": annotations, "predictions": []} | more


def sound(start, end, *labels, **more):
    return {"type": "labels", "value": {"start": start, "end": end, "channel": 0, "labels": list(labels)}} | more


def series(start, end, *labels):
    return {"type": "timeserieslabels", "value": {"start": start, "end": end, "timeserieslabels": list(labels)}}


def timeline(start, end, *labels):
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": list(labels)}
    return {"type": "timelinelabels", "value": value}


def box(*frames, labels=("dog",), **more):
    sequence = [{"frame": frame, "enabled": enabled, "x": 1.0, "time": frame / 24} for frame, enabled in frames]
    return {"type": "videorectangle", "value": {"sequence": sequence, "labels": list(labels)} | more}


def events(*tasks, **options):
    (entry,) = read_label_studio(list(tasks), **options).values()
    return [(*row["segment"], row["label"]) for row in entry["annotations"]]


@given(DATABASES, st.sampled_from([sound, series]))
def test_what_was_written_is_read(database, region):
    tasks = [
        task(*(region(*row["segment"], row["label"]) for row in entry["annotations"]), video=f"{video}.mp4")
        for video, entry in database.items()
    ]
    assert is_label_studio(tasks)
    assert read_label_studio(tasks) == {f"{video}.mp4": entry for video, entry in database.items()}


def test_a_region_is_an_event_of_each_of_its_labels():
    assert events(task(sound(1, 2, "dog", "cat"))) == [(1, 2, "dog"), (1, 2, "cat")]


def test_frames_of_video_are_counted_from_1():
    # frames 25 to 48 of 24 per second are the second second
    assert events(task(timeline(25, 48, "dog")), frame_rate=24) == [(1, 2, "dog")]
    assert events(task(timeline(25, 48, "dog"), data={"video": "a.mp4", "fps": 12}), frame_rate=24) == [(2, 4, "dog")]


@pytest.mark.parametrize(
    ("frames", "spans"),
    [
        ([(1, True), (24, False)], [(0, 1)]),
        ([(25, True), (30, True), (48, False), (73, True), (96, False)], [(1, 2), (3, 4)]),
        ([(49, True)], [(2, 5)]),  # to the end of the video
        ([(96, False), (73, True)], [(3, 4)]),
        ([(24, False)], [(23 / 24, 1)]),
        ([], []),
    ],
)
def test_a_box_is_an_event_while_it_is_in_the_picture(frames, spans):
    found = events(task(box(*frames, framesCount=120, duration=5.0)))
    assert [found[:2] for found in found] == [pytest.approx(span) for span in spans]


def test_a_box_that_stays_needs_no_count_of_frames():
    assert events(task(box((25, True), (48, True))), frame_rate=24) == [(1, 2, "dog")]


def test_of_several_annotations_one_counts():
    def annotation(label, **flags):
        return {"result": [sound(0, 1, label)]} | flags

    first = [annotation("no", was_cancelled=True), annotation("yes"), annotation("later")]
    assert events(task(annotations=first)) == [(0, 1, "yes")]
    assert events(task(annotations=[*first, annotation("truth", ground_truth=True)])) == [(0, 1, "truth")]


def test_tasks_without_annotations_are_left_out():
    tasks = [
        task(sound(0, 1, "dog")),
        task(video="b.mp4", annotations=[]),
        task(video="c.mp4", annotations=[{"was_cancelled": True, "result": []}]),
    ]
    with pytest.warns(UserWarning, match=r"2 tasks without annotations left out; first 'b\.mp4'"):
        assert list(read_label_studio(tasks)) == ["/data/upload/3/clip.mp4"]


def test_other_answers_are_left_out():
    answer = {"type": "choices", "value": {"start": 0, "end": 1, "choices": ["loud"]}}
    relation = {"type": "relation", "from_id": "a", "to_id": "b"}
    assert events(task(answer, relation, sound(0, 1))) == []


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"audio": "/data/upload/3/0a1b2c3d-my_clip.wav"}, "/data/upload/3/my_clip.wav"),
        ({"id": 5, "video": "/data/local-files/?d=clips/R%26B%20live.mp4"}, "clips/R&B live.mp4"),
        ({"video": "https://example.org/v/a.mp4?signature=1/2.mp4"}, "https://example.org/v/a.mp4"),
        ({"csv": "s3://bucket/0a1b2c3d-b.csv", "video": "s3://bucket/0a1b2c3d-b.webm"}, "s3://bucket/0a1b2c3d-b.webm"),
        ({"note": "a song", "csv": "sensors/b.csv"}, "sensors/b"),
    ],
)
def test_the_video_is_the_media_file_of_a_task(data, name):
    assert list(read_label_studio([task(data=data)])) == [name]


def test_subset_and_duration_are_taken_over():
    told = task(sound(0, 1, "dog", original_length=12.5), data={"video": "a.mp4", "subset": "test"})
    (entry,) = read_label_studio([told]).values()
    assert (entry["subset"], entry["duration"]) == ("test", 12.5)
    (entry,) = read_label_studio([told | {"data": {"video": "a.mp4", "duration": 13}}]).values()
    assert entry["duration"] == 13


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([task(timeline(1, 2, "dog"))], "task 7: Label Studio counts frames .*: give data.frame_rate"),
        (
            [task(data={"video": "a.mp4", "fps": 0}), task(timeline(1, 2, "a"), data={"video": "b.mp4", "fps": 0})],
            "fps 0 must",
        ),
        (
            [task(timeline(1, 2, "dog"), data={"video": "a.mp4", "fps": "25"})],
            "task 7: is not as Label Studio writes it",
        ),
        ([task(sound("0:01", "0:02", "dog"))], "task 7: the time '0:01' is no number of seconds"),
        ([task(sound(0, 1, "dog")), task()], "task 7: is a second one about '/data/upload/3/clip.mp4'"),
        ([task(data={"text": "hello"})], r"task 7: its data name no media file: \['hello'\]"),
        ([task(annotations=[{}])], "task 7: is not as Label Studio writes it"),
        ([task(annotations=[12])], "task 7: is not as Label Studio writes it"),
        ([task(data=None)], "task 7: is not as Label Studio writes it"),
    ],
)
def test_a_bad_task_is_named(tasks, message):
    with pytest.raises(ValueError, match=message):
        read_label_studio(tasks)


@pytest.mark.parametrize(
    "document", [None, {}, [], [1], [{"data": {}}], {"database": {}}, [{"video": "a", "labels": []}]]
)
def test_what_is_no_export(document):
    assert not is_label_studio(document)
