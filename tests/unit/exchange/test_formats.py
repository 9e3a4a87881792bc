import pytest

from avel.errors import UserError
from avel.events import Event, EventTable
from avel.exchange.formats import FORMATS, ONE_FILE, write_events
from avel.exchange.media import Media

TABLE = EventTable([Event("a/b", 1, 2, "dog", 0.5), Event("../../v", 0, 3, "rain")], ["quiet"])


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_replaced_unless_asked_for(tmp_path, name):
    path = tmp_path / "deep" / "out"
    write_events(TABLE, path, name)
    before = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    assert before
    with pytest.raises(UserError, match="is there already; --force replaces it"):
        write_events(EventTable([], TABLE.videos), path, name)
    assert {file: file.read_bytes() for file in before} == before
    write_events(EventTable([], TABLE.videos), path, name, force=True)
    assert {file: file.read_bytes() for file in before} != before
    assert [found.name for found in tmp_path.iterdir()] == ["deep"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_no_folder(tmp_path, name):
    path = tmp_path / "out"
    path.mkdir() if name in ONE_FILE else path.touch()
    with pytest.raises(UserError, match=rf"out: is a fil?.*, but {name} is a|out: is a folder, but {name} is one file"):
        write_events(TABLE, path, name, force=True)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("wrong", [Event("v", float("nan"), 1, "dog"), Event("v", 0, 1, "dog", float("inf"))])
def test_numbers_must_be_finite(tmp_path, name, wrong):
    with pytest.raises(UserError, match=r"video 'v': .* cannot be written: times and scores must be finite"):
        write_events(EventTable([wrong]), tmp_path / "out", name)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_where_nothing_can_be_written_that_is_said(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"out\S*: cannot be written: .*file"):
        write_events(TABLE, tmp_path / "file" / "out", name)


def test_the_format_must_be_known(tmp_path):
    with pytest.raises(UserError, match="--to=praat: unknown, choose one of activitynet, csv, audacity"):
        write_events(TABLE, tmp_path / "out", "praat")


def test_media_are_named_where_they_are_played(tmp_path):
    media = Media(tmp_path / "in", {"a/b": tmp_path / "in" / "clip.mp4"})
    for name in ("elan", "label_studio"):
        write_events(TABLE, tmp_path / name, name, media=media)
        text = "".join(path.read_text() for path in (tmp_path / name).iterdir())
        assert text.count("clip.mp4") == (2 if name == "elan" else 1)
