import json

import pytest

from avel.errors import UserError
from avel.events import Event, EventTable
from avel.exchange.folder import read_folder, write_folder

TABLE = EventTable([Event("b", 0, 1, "dog"), Event("../a", 0, 1, "cat"), Event("b", 2, 3, "dog")], ["quiet"])


def write(folder, table=TABLE):
    write_folder(folder, table, ".txt", lambda video, events: f"{video} {len(events)}")


def read(folder):
    return read_folder(folder, ".txt", lambda path, video: [event for event in TABLE if event.video == video])


def test_videos_and_events_keep_their_order(tmp_path):
    write(tmp_path / "out")
    assert read(tmp_path / "out") == TABLE
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"quiet.txt", "b.txt", "videos.json", next(name for name in names if name.startswith("__a~"))}
    assert (tmp_path / "out" / "b.txt").read_text() == "b 2"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_without_a_list_files_are_named_after_their_videos(tmp_path):
    for name in ("b.txt", "quiet.TXT", ".hidden.txt", "notes.md"):
        (tmp_path / name).touch()
    assert read(tmp_path) == EventTable([TABLE.events[0], TABLE.events[2]], ["b", "quiet"])


def test_files_that_were_added_come_last(tmp_path):
    write(tmp_path, EventTable([], ["quiet"]))
    (tmp_path / "b.txt").touch()
    assert read(tmp_path).videos == ["quiet", "b"]


def test_an_order_that_no_longer_fits_does_not_count(tmp_path):
    write(tmp_path)
    edited = read_folder(tmp_path, ".txt", lambda path, video: [Event(video, 0, 1, "dog")])
    assert [event.video for event in edited] == ["quiet", "b", "../a"]


def test_files_of_other_videos_are_not_mixed_with_ours(tmp_path):
    write(tmp_path)
    write(tmp_path)
    (tmp_path / "other.txt").touch()
    with pytest.raises(UserError, match=r"other\.txt: is of no video that would be written: choose an empty folder"):
        write(tmp_path)


def listed(*rows, order=()):
    return json.dumps({"videos": [{"video": video, "file": file} for video, file in rows], "order": list(order)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be a list of videos as it was written: remove it"),
        ("[]", "must be a list of videos"),
        ('{"videos": [1], "order": []}', "must be a list of videos"),
        ('{"videos": []}', "must be a list of videos"),
        (listed(order=["x"]), '"order" must be a list of whole numbers'),
        (listed(order=[True]), '"order" must be a list of whole numbers'),
        (listed(("v", "../v.txt")), r"'\.\./v\.txt' must be the name of a file beside it that ends with \.txt"),
        (listed(("v", "/etc/v.txt")), "must be the name of a file"),
        (listed(("v", "v\0.txt")), "must be the name of a file"),
        (listed(("v", "v.eaf")), "must be the name of a file"),
        (listed(("v", 5)), "must be the name of a file"),
        (listed((5, "b.txt")), "must be the name of a file"),
        (listed(("v", "gone.txt")), "names gone.txt, which is not there"),
        (listed(("b", "v.txt")), "two files are of one video"),
    ],
)
def test_a_bad_list_is_named(tmp_path, text, message):
    for name in ("b.txt", "v.txt"):
        (tmp_path / name).touch()
    (tmp_path / "videos.json").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "videos.json"))
