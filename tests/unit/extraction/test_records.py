import json
import os
from dataclasses import replace

import pytest

from avel.errors import UserError
from avel.extraction.records import Record, digest, new_record, record_of


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"pictures")
    return path


def test_a_record_knows_its_file_by_content(clip):
    record = new_record(clip, "clip.mp4")
    assert record.is_about(clip)
    os.utime(clip, ns=(5, 5))
    assert record.is_about(clip)  # copied
    clip.write_bytes(b"PICTURES")
    os.utime(clip, ns=(6, 6))
    assert not record.is_about(clip)
    clip.write_bytes(b"picture")
    assert not record.is_about(clip)


def test_a_file_with_the_time_on_record_is_not_read(clip):
    record = replace(new_record(clip, "clip.mp4"), blake2b="of another")
    assert record.is_about(clip)


def test_records_are_written_without_what_is_not_to_say(clip, tmp_path):
    record = new_record(clip, "clip.mp4")
    record.write(tmp_path / "records" / "clip.json")
    document = json.loads((tmp_path / "records" / "clip.json").read_text())
    assert document.keys() == {"source", "size", "modified", "blake2b", "duration", "steps"}
    assert document["blake2b"] == digest(clip)
    assert len(digest(clip)) == 32
    assert record_of(document, clip) == record


def test_what_is_no_record_is_told(tmp_path):
    with pytest.raises(UserError, match="m.json: cannot be read .*length.*extract_features.py"):
        record_of({"source": "x", "length": 3}, tmp_path / "m.json")
    assert Record("x").plain() == {"source": "x", "size": 0, "modified": 0, "duration": 0.0, "steps": 0}
