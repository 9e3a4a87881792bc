"""Ctrl-C ends every long command at any moment with a word, and leaves nothing that the next one cannot use."""

import signal
from random import Random

import pytest

from tests.faults.killing import Killing, assert_same_files

pytestmark = pytest.mark.slow

QUIETLY = (128 + signal.SIGINT, -signal.SIGINT)
"""Exit codes: of a command that says so, of an interpreter that has nothing left but to end."""


@pytest.fixture
def commands(clips, checkpoint, tmp_path):
    """Name -> a command that writes to tmp_path / "out"."""
    videos, out, small = clips / "videos", tmp_path / "out", ("--videos", 12, "--classes", 3)
    return {
        "extraction": ("scripts/extract_features.py", videos, out),
        "extraction by 2": ("scripts/extract_features.py", videos, out, "trainer.devices=2"),
        "localization": ("scripts/localize.py", videos, "--checkpoint", checkpoint, "--out", out),
        "rendering": ("scripts/make_clips.py", out, *small),
        "synthetic data": ("scripts/make_synthetic.py", "unav100", "--out", out, *small),
    }


@pytest.mark.parametrize("name", ["extraction", "extraction by 2", "localization", "rendering", "synthetic data"])
def test_ctrl_c(python, commands, tmp_path, told, name):
    run, random = Killing(python, commands[name], tmp_path / "out"), Random(2)
    met = 0
    while met < 3:
        done = run.run(f"ctrl-c:{random.random() * run.seconds}")
        assert "Traceback" not in done.stdout + done.stderr
        assert done.returncode in (0, *QUIETLY), done.stdout + done.stderr
        if done.returncode == QUIETLY[0]:
            assert "interrupted" in done.stderr
        if done.returncode:
            met += 1
        else:
            assert_same_files(run.folder, run.whole)
            run.begin_anew()
    run.finish()
    assert_same_files(run.folder, run.whole)
    told(f"Ctrl-C in {name}, {met} times", "no traceback, and the same bytes when it was started again")
