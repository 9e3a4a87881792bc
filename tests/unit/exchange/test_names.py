import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.errors import UserError
from avel.exchange import names
from avel.exchange.names import check_told_apart, file_names, is_plain
from tests.unit.exchange.drawn import IDS


@settings(max_examples=50)
@given(st.lists(IDS, unique=True, max_size=8))
def test_no_two_videos_share_a_file_and_none_leaves_the_folder(tmp_path_factory, videos):
    folder = tmp_path_factory.getbasetemp()
    names = file_names(videos)
    assert list(names) == videos
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in names.values()}) == len(videos)
    for name in names.values():
        assert is_plain(name)
        assert (folder / f"{name}.txt").resolve().parent == folder.resolve()
        assert len(f".{name}.txt.part".encode()) <= 255


@pytest.mark.parametrize("video", ["abc", "-dQw4w9WgXcQ", "v_1.5", "a b", "Löwe 🐕", "Yabc_30.000_40.000", "constant"])
def test_plain_ids_are_kept(video):
    assert file_names([video]) == {video: video}


@pytest.mark.parametrize(
    ("videos", "expected"),
    [
        (["../x"], ["__x~"]),
        (["a/b", "a_b"], ["a_b~", "a_b"]),
        (["A", "a"], ["A", "a~"]),
        (["con", "NUL.txt"], ["_con~", "_NUL.txt~"]),
        ([""], ["_~"]),
    ],
)
def test_others_read_alike(videos, expected):
    found = file_names(videos).values()
    assert [name.rpartition("~")[0] + "~" if "~" in name else name for name in found] == expected


def test_a_name_that_imitates_a_mark_meets_nobody():
    imitated = file_names(["a/b"])["a/b"]
    names = file_names([imitated, "a/b"])
    assert names[imitated] == imitated
    assert names["a/b"] != imitated


@pytest.mark.parametrize("name", ["", "..", "../a", "a/b", "a\\b", "/a", "a\0", "a\n", ".a", "C:a"])
def test_what_is_no_name_of_a_file_in_the_folder(name):
    assert not is_plain(name)


@pytest.mark.parametrize(
    ("one", "other"), [("Dog", "dog"), ("Caf\N{LATIN SMALL LETTER E WITH ACUTE}", "Cafe\N{COMBINING ACUTE ACCENT}")]
)
def test_names_that_a_disk_takes_for_one_are_refused(tmp_path, monkeypatch, one, other):
    check_told_apart(tmp_path, ["a", "a", "b", one])
    monkeypatch.setattr(names, "tells_apart", lambda folder, first, second: False)  # as on disks of phones and cameras
    check_told_apart(tmp_path, ["a", "a", "b", one])
    with pytest.raises(UserError, match=f"takes '{one}' and '{other}' for one name"):
        check_told_apart(tmp_path, ["a", one, other])
