import pytest

from avel.errors import UserError
from avel.extraction.sources import Source, find_sources


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_files_are_found_in_all_folders_and_called_by_their_names(tmp_path):
    touch(tmp_path, "b.mp4", "deep/er/a.v2.MKV", "c.wav", "c.txt", "labels.json", ".hidden.mp4", ".git/x.mp4")
    assert find_sources(tmp_path) == [
        Source("b", tmp_path / "b.mp4"),
        Source("c", tmp_path / "c.wav"),
        Source("a.v2", tmp_path / "deep/er/a.v2.MKV"),
    ]


def test_a_file_is_taken_whatever_its_name_ends_with(tmp_path):
    assert find_sources(touch(tmp_path, "clip.xyz") / "clip.xyz") == [Source("clip", tmp_path / "clip.xyz")]


def test_names_must_stand_for_one_file_each(tmp_path):
    touch(tmp_path, "a/x.mp4", "b/x.mp4", "b/x.wav", "y.mp4", "a/z.mp4", "b/z.mp4")
    with pytest.raises(UserError, match=r"2 names stand for .*\n  a/x.mp4, b/x.mp4, b/x.wav\n  a/z.mp4, b/z.mp4$"):
        find_sources(tmp_path)


def test_names_must_leave_room_for_endings(tmp_path):
    assert find_sources(touch(tmp_path, "x" * 230 + ".mp4"))
    with pytest.raises(UserError, match=r"1 files have names that are too long, rename them: ééé"):
        find_sources(touch(tmp_path, "é" * 116 + ".mp4"))


def test_nothing_to_extract_is_told(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        find_sources(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no media files; looked for .3gp"):
        find_sources(tmp_path)
    with pytest.raises(UserError, match=r"\(but files with .jpg, no ending\)"):
        find_sources(touch(tmp_path, "a.jpg", "b.jpg", "README"))
