import pytest

from avel.events import Event, EventTable
from avel.exchange.formats import FORMATS

SCRIPT = "scripts/export_events.py"
TABLE = EventTable([Event("../v", 1.0004, 2, "dog", 0.5), Event("../v", 3, 4, "cat", 0.1)], ["quiet"])


@pytest.fixture
def run(tmp_path):
    TABLE.write_json(tmp_path / "run" / "predictions" / "test.json")
    return tmp_path / "run"


@pytest.mark.slow
def test_there_and_back(python, run, tmp_path):
    out, back = tmp_path / "out", tmp_path / "back.csv"
    done = python.run(SCRIPT, run, "--to", "elan", "--out", out)
    assert (done.returncode, done.stdout) == (0, f"Wrote 2 events of 2 videos to {out}\n"), done.stderr
    assert len(list(out.glob("*.eaf"))) == 2
    assert python.run(SCRIPT, out, "--to", "csv", "--out", back).returncode == 0
    assert EventTable.read_csv(back) == TABLE
    refused = python.run(SCRIPT, run, "--to", "csv", "--out", back, "--min-score", "0.3")
    assert (refused.returncode, refused.stderr) == (2, f"{back}: is there already; --force replaces it\n")
    assert python.run(SCRIPT, run, "--to", "csv", "--out", back, "--min-score", "0.3", "--force").returncode == 0
    assert EventTable.read_csv(back) == TABLE.above(0.3)


@pytest.mark.slow
def test_media_are_counted(python, run, tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "quiet.mp4").touch()
    options = ("--to", "label_studio", "--out", tmp_path / "out", "--media", tmp_path / "videos")
    done = python.run(SCRIPT, run, *options)
    assert done.stdout.endswith(f"; 1 video has no file in {tmp_path / 'videos'}\n"), done.stderr
    assert "/data/local-files/?d=videos/quiet.mp4" in (tmp_path / "out" / "tasks.json").read_text()


def test_the_formats_are_listed(python):
    done = python.run(SCRIPT, "--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(FORMATS)


def test_what_is_wrong_is_told(python, tmp_path):
    (tmp_path / "notes.txt").write_text("hello\n")
    done = python.run(SCRIPT, tmp_path / "notes.txt", "--to", "csv", "--out", tmp_path / "out.csv")
    assert done.returncode == 2
    assert done.stderr.startswith(f"{tmp_path / 'notes.txt'}: is in no format that is known: ")
    assert not (tmp_path / "out.csv").exists()
