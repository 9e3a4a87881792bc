import gzip
import json

import pytest

from avel.data.formats.reading import read_any
from avel.errors import UserError
from tests.unit.data.files import entry, event, write_annotations
from tests.unit.data.formats.test_audacity import write_label_track
from tests.unit.data.formats.test_elan import write_elan
from tests.unit.data.formats.test_label_studio import sound, task, timeline
from tests.unit.data.formats.test_table import write_table

DOG = {"annotations": [{"segment": [1.0, 2.5], "label": "dog"}]}
TEXTS = {
    "UnAV-100": json.dumps({"version": 1, "database": {"clips/a.mp4": DOG}}),
    "table": write_table({"a.mp4": DOG}),
    "Label Studio": json.dumps([task(sound(1.0, 2.5, "dog"), video="a.mp4")]),
    "ELAN": write_elan({"events": [(1, 2.5, "dog")]}),
    "Audacity": write_label_track(DOG),
}


@pytest.mark.parametrize("ending", [".txt", ".json", "", ".anything"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_content_tells_the_format(tmp_path, text, ending):
    path = tmp_path / f"a{ending}"
    path.write_text(text)
    assert read_any(path) == {"a": DOG}


def test_with_a_mark_of_byte_order_or_packed(tmp_path):
    (tmp_path / "a.csv").write_text(TEXTS["table"], encoding="utf-8-sig")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(TEXTS["UnAV-100"].encode()))
    assert read_any(tmp_path / "a.csv") == read_any(tmp_path / "a.json.gz") == {"a": DOG}


def test_a_database_is_read_as_it_is(tmp_path):
    database = {"a": entry(event()), "b": entry(subset="test")}
    assert read_any(write_annotations(tmp_path, database)) == database


def test_the_frame_rate_is_handed_on(tmp_path):
    path = tmp_path / "export.json"
    path.write_text(json.dumps([task(timeline(25, 60, "dog"), video="a.mp4")]))
    assert read_any(path, frame_rate=24) == {"a": DOG}
    with pytest.raises(UserError, match=r"export\.json: task 7: Label Studio counts frames"):
        read_any(path)


@pytest.mark.parametrize(("ending", "kind"), [(".txt", "Audacity"), (".eaf", "ELAN")])
def test_a_folder_has_a_file_per_video(tmp_path, ending, kind):
    for name in (f"a{ending}", f"b{ending.upper()}", f".hidden{ending}", "c.mp4"):
        (tmp_path / name).write_text(TEXTS[kind])
    assert read_any(tmp_path) == {"a": DOG, "b": DOG}


def test_subfolders_are_subsets(tmp_path):
    for name in ("train/a.txt", "val/b.txt", "Test/c.txt", "other/d.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(TEXTS["Audacity"])
    (tmp_path / "train" / "quiet.txt").touch()
    found = read_any(tmp_path)
    assert {video: entry["subset"] for video, entry in found.items()} == {
        **{"a": "train", "quiet": "train", "b": "val", "c": "Test"}
    }
    assert found["quiet"]["annotations"] == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds neither .eaf nor .txt files: give JSON in the layout of UnAV-100"),
        ({"a.eaf": TEXTS["ELAN"], "a.txt": TEXTS["Audacity"]}, "holds both .eaf and .txt files"),
        ({"a.txt": TEXTS["Audacity"], "README.txt": "Labels\n"}, "README.txt: line 1: needs start, end and label"),
        ({"a.eaf": TEXTS["ELAN"][:-5]}, "a.eaf: is not whole XML"),
        ({"train/a.txt": TEXTS["Audacity"], "test/a.txt": TEXTS["Audacity"]}, "the video 'a' has another file in"),
    ],
)
def test_what_is_wrong_with_a_folder(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read_any(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is in no format that is known: give JSON in the layout of UnAV-100 or from Label Studio"),
        (b"hello\n", "is in no format that is known"),
        (b'[{"video": "a.mp4", "label": []}]', "is in no format that is known"),
        (b'{"results": {}}', "is in no format that is known"),
        (b"{", "is not a valid annotation file"),
        (b'{"database": {}}', 'needs a non-empty object "database"'),
        (b'{"database": {"a": 1}}', "video 'a': must be an object"),
        (
            "video,start,end,label\na,1,2,Löwe\n".encode("latin-1"),
            "is not a valid annotation file: .*: save it as UTF-8",
        ),
        ("video,start,end,label\n".encode("utf-16"), "save it as UTF-8"),
        (b"video,start,end,label\na,1,x,dog\n", "line 2: end 'x' must be a number of seconds"),
        (b"video,start,end,label\nx/a.mp4,1,2,dog\na,1,2,dog\n", "would both be the video 'a'"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, message):
    path = tmp_path / "annotations"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_any(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.csv: cannot be read \(No such file or directory\)"):
        read_any(tmp_path / "absent.csv")
