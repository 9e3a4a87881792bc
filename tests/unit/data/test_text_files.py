import gzip
import os

import pytest

from avel.data import text_files
from avel.data.text_files import read_json, read_text
from avel.errors import UserError


def test_text_is_read_with_and_without_gzip(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffä\r\nb".encode())
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("ä\r\nb".encode()))
    assert read_text(tmp_path / "a.txt") == read_text(tmp_path / "a.txt.gz") == "ä\r\nb"
    (tmp_path / "a.txt.gz").rename(tmp_path / "b.txt")
    assert read_text(tmp_path / "b.txt") == "ä\r\nb"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\xff", "is not a valid list: .*save it as UTF-8"),
        ("a.txt", b"a" * 100, "is longer than any list"),
        ("a.txt.gz", gzip.compress(b"a" * 100_000, mtime=0), "is longer than any list"),
        ("a.txt.gz", gzip.compress(b"a", mtime=0)[:-3], "is not a whole gzip file"),
        ("a.txt.gz", b"plain", "is not a whole gzip file"),
        ("a.json", b'{"a": 1, "a": 2}', "is not a valid list: the key 'a' appears twice"),
        ("a.json", b"[" * 90, "is not a valid list: Expecting value"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_message(tmp_path, monkeypatch, name, content, message):
    monkeypatch.setattr(text_files, "LONGEST", 99)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}: {message}"):
        read_json(tmp_path / name, "list")


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(UserError, match="a.txt: cannot be read .not a regular file"):
        read_text(tmp_path / "a.txt")
