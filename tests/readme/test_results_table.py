"""The README's table is what its record gives, and `make results` makes it from run folders."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "results_table.py"
RESULTS = {
    "experiment": "ccnet_unav100",
    "tiou_grid": [0.1, 0.2],
    "videos": {"evaluated": 7, "annotated": 7},
    "stage": "fit",
    "split": "test",
    "monitor": "map",
    "selection_split": "validation",
    "seed": 1,
    "overrides": ["experiment=ccnet_unav100", "seed=1", "size=narrow"],
    "metrics": {"test/map": 0.125},
}


@pytest.fixture
def page(tmp_path):
    """A page of one's own, and the options that name it."""
    path = tmp_path / "README.md"
    path.write_bytes((ROOT / "README.md").read_bytes())
    return path, ["--readme", path, "--record", tmp_path / "measured.json"]


def rows(page):
    names = {path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")}
    cells = [line.strip("| ").split(" | ") for line in page.read_text(encoding="utf-8").splitlines()]
    return {row[0].strip("`"): row for row in cells if len(row) == 5 and row[0].strip("`") in names}


def test_the_readme_is_current(python):
    checked = python.run(SCRIPT, "--check")
    assert checked.returncode == 0, checked.stderr
    assert rows(ROOT / "README.md").keys() == {path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")}


def test_a_run_gets_into_the_table_and_stays_there_without_its_folder(python, page, tmp_path):
    readme, options = page
    (tmp_path / "logs" / "run").mkdir(parents=True)
    (tmp_path / "logs" / "run" / "results.json").write_text(json.dumps(RESULTS))
    assert python.run(SCRIPT, tmp_path / "logs", "--check", *options).returncode == 1
    made = python.run(SCRIPT, tmp_path / "logs", *options)
    assert made.returncode == 0, made.stderr
    row = rows(readme)["ccnet_unav100"]
    assert row[2:4] == [
        "12.50 mAP 0.1:0.1:0.2",
        "1 seed; 7 test videos; weights chosen on validation; changed: `size=narrow`",
    ]
    assert python.run(SCRIPT, "--check", *options).returncode == 0
    assert python.run(SCRIPT, *options).returncode == 0
    assert rows(readme)["ccnet_unav100"] == row


def test_what_is_wrong_is_named(python, page, tmp_path):
    (tmp_path / "measured.json").write_text("{")
    for arguments, message in (([], "measured.json: `make results`"), (["nowhere"], "nowhere: no such folder")):
        refused = python.run(SCRIPT, *arguments, *page[1])
        assert refused.returncode == 2
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr
