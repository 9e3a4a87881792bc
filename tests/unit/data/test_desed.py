import json

import numpy as np
import pytest

from avel.data.desed import DESED
from avel.errors import UserError
from tests.unit.data.files import SHARED, counts, link, write_features

REAL = SHARED / "desed"
HEADER = "filename\tonset\toffset\tevent_label\n"
TRAIN = """Yabcdefghijk_30.000_40.000.wav\t9.000\t10.115\tSpeech
Yabcdefghijl_0.000_4.500.wav\t0.500\t4.500\tBlender
Yabcdefghijk_30.000_40.000.wav\t0.000\t2.500\tDog
Yabcdefghijm_30.000_40.000.wav\t\t\t
"""
TEST = """zyxwvutsrqp_2_12.wav\t1.000\t2.000\tDog
no_span.wav\t1.000\t2.000\tSpeech
"""
LENGTHS = """filename\tduration
zyxwvutsrqp_2_12.wav\t7.1
another_0_10.wav\t10.0
"""


def write_metadata(root, *, train=TRAIN, test=TEST, lengths=LENGTHS):
    files = {"validation/validation.tsv": HEADER + train, "eval/public.tsv": HEADER + test}
    for name, text in (files | ({"eval/public_meta.tsv": lengths} if lengths else {})).items():
        path = root / "metadata" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_rows_become_clips_with_events(tmp_path):
    data = DESED(root=write_metadata(tmp_path), selection_split="test")
    assert data.class_names == ["Blender", "Dog", "Speech"]
    found = {v.video: (v.split, v.duration, v.segments.tolist(), v.labels.tolist()) for v in data.annotations.videos}
    assert found == {
        "Yabcdefghijk_30.000_40.000": ("train", 10, [[9, 10], [0, 2.5]], [2, 1]),
        "Yabcdefghijl_0.000_4.500": ("train", 4.5, [[0.5, 4.5]], [0]),
        "Yabcdefghijm_30.000_40.000": ("train", 10, [], []),
        "zyxwvutsrqp_2_12": ("test", 7.1, [[1, 2]], [1]),
        "no_span": ("test", 10, [[1, 2]], [2]),
    }


def test_what_is_mended_is_counted(tmp_path, recwarn):
    _ = DESED(root=write_metadata(tmp_path)).annotations
    told = sorted(str(warning.message).partition("metadata: ")[2].partition(";")[0] for warning in recwarn)
    assert told == ["1 events clipped to the length of their video", "1 videos without events kept as negatives"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_lengths_need_not_be_listed(tmp_path):
    data = DESED(root=write_metadata(tmp_path, lengths=None))
    assert {video.video: video.duration for video in data.annotations.split("test")} == {
        "zyxwvutsrqp_2_12": 10,
        "no_span": 10,
    }


@pytest.mark.filterwarnings("ignore:.*(clipped|without events)")
def test_a_recording_in_both_splits_is_told(tmp_path):
    root = write_metadata(tmp_path, test="abcdefghijk_70_80.wav\t0.000\t1.000\tDog\n")
    with pytest.warns(UserWarning, match=r"clips of 1 recordings \(first: 'abcdefghijk'\) are both in the training"):
        _ = DESED(root=root).annotations


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"train": "a.wav\t0\tx\tDog\n"}, "validation.tsv, line 2: 'a' needs onset and offset in seconds and a label"),
        ({"train": "a.wav\t\t1\tDog\n"}, "validation.tsv, line 2: 'a' needs onset and offset in seconds and a label"),
        ({"train": f"{TRAIN}a.wav\t0\t1\t\n"}, "validation.tsv, line 6: 'a' needs onset and offset"),
        ({"train": "a.wav\t4\t1\tDog\nb/c.wav\t1\t2\tDog\n"}, "metadata: video 'b/c': the id must be a plain name"),
        ({"train": "a.wav\t11\tnan\tDog\n"}, "metadata: video 'a': segment nan must be a finite number of seconds"),
        (
            {"test": "no_span.wav\t1\t2\tDog\n", "train": "no_span.wav\t1\t2\tDog\n"},
            "public.tsv: 1 clips are in .* too",
        ),
        ({"lengths": "filename\tduration\na.wav\tlong\n"}, "public_meta.tsv: a duration is no number of seconds"),
        ({"lengths": "filename\tseconds\n"}, "public_meta.tsv: lacks the column 'duration'"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_bad_row_is_named(tmp_path, lists, message):
    with pytest.raises(UserError, match=message):
        _ = DESED(root=write_metadata(tmp_path, **lists)).annotations


def test_missing_metadata_say_where_they_come_from(tmp_path):
    write_metadata(tmp_path)
    (tmp_path / "metadata/eval/public.tsv").unlink()
    with pytest.raises(UserError, match=r"public\.tsv: no such file\n.*turpaultn/DESED"):
        _ = DESED(root=tmp_path).annotations


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_samples(tmp_path):
    root = write_metadata(tmp_path)
    for video in ("zyxwvutsrqp_2_12", "no_span"):
        write_features(
            root / "av_features", video, visual=np.ones((37, 3), np.float32), audio=np.ones((38, 2), np.float32)
        )
    data = DESED(root=root)
    assert data.facts().max_length == 64
    assert data.facts().videos == {"train": 2, "validation": 1, "test": 2}
    (batch,) = data.test_dataloader()
    assert (batch.visual.shape, batch.audio.shape) == ((2, 37, 3), (2, 37, 2))
    assert batch.grids[0].to_seconds(batch.segments[0]).tolist() == [[1, 2]]
    assert data.crop.keep_ratio == 0.3


@pytest.mark.skipif(not REAL.exists(), reason="the real DESED metadata lie outside of the repository")
def test_real_annotations(tmp_path, recwarn):
    link(tmp_path / "metadata/validation/validation.tsv", REAL / "validation_validation.tsv")
    link(tmp_path / "metadata/eval/public.tsv", REAL / "eval_public.tsv")
    link(tmp_path / "metadata/eval/public_meta.tsv", REAL / "eval_public_meta.tsv")
    statistics = json.loads((SHARED / "statistics.json").read_text())
    train, test = (statistics[f"desed {name}"] for name in ("validation_validation", "eval_public"))
    data = DESED(root=tmp_path, selection_split="test")
    assert counts(data.annotations) == {
        "train": (train["files"], train["events"]),
        "validation": (0, 0),
        "test": (test["files"], test["events"]),
    }
    assert data.class_names == sorted(train["classes"])
    told = sorted(str(warning.message).partition(": ")[2] for warning in recwarn)
    assert [line.partition(";")[0] for line in told] == [
        "15 videos without events kept as negatives",
        "4 events clipped to the length of their video",
        "clips of 1 recordings (first: 'L3SIlxdLGxI') are both in the training and in the test split",
    ]
    lengths = {video.video: video.duration for video in data.annotations.videos}
    assert lengths["E7G8TNZVi88_2_12"] == 7.1
    assert lengths["YSktlw1AytXw_0.000_3.000"] == 3
    assert counts(DESED(root=tmp_path).annotations)["validation"] == (117, 402)
