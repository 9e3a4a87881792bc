"""The command `python scripts/benchmark.py`."""

import json

import pytest

from avel_bench.groups import GROUPS

SCRIPT = "scripts/benchmark.py"


def test_mistakes_end_with_a_message(python):
    shown = python.run(SCRIPT, "--only", "speed")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.startswith("--only=speed: unknown, choose one of step, ")


@pytest.mark.slow
def test_groups_are_listed_and_measured(python, tmp_path):
    shown = python.run(SCRIPT, "--list")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == [*GROUPS]
    out = tmp_path / "x.json"
    shown = python.run(SCRIPT, "--only", "targets", "--size", "narrow", "--repeats", 1, "--json", out)
    assert shown.returncode == 0, shown.stderr
    assert "ms/video" in shown.stdout
    assert {row["group"] for row in json.loads(out.read_text())["rows"]} == {"targets"}
