import pytest
from hypothesis import given

from avel.data.formats.entries import by_id, video_id
from avel.extraction.sources import ENDINGS
from tests.unit.data.formats.drawn import DATABASES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("abc", "abc"),
        ("clips/abc.mp4", "abc"),
        ("C:\\my clips\\abc.MOV", "abc"),
        (" abc.wav ", "abc"),
        ("v1.2", "v1.2"),
        ("a.b.webm", "a.b"),
        ("Yabc_30.000_40.000", "Yabc_30.000_40.000"),
    ],
)
def test_ids_of_videos(name, expected):
    assert video_id(name) == expected


def test_files_that_features_are_made_of_are_media():
    assert [ending for ending in ENDINGS.split() if video_id(f"a{ending}") != "a"] == []


@given(DATABASES)
def test_videos_are_named_by_their_ids(database):
    assert by_id({f"some/folder/{video}.mkv": entry for video, entry in database.items()}) == database
    assert by_id(database) == database


def test_two_videos_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"'a/x\.mp4' and 'b/x\.mp4' would both be the video 'x': rename one of them"):
        by_id({"a/x.mp4": {}, "y": {}, "b/x.mp4": {}})
