"""The command that draws a video's timeline."""

import pytest

pytestmark = pytest.mark.slow


def test_a_picture_of_another_kind_is_refused(python, tmp_path):
    ended = python.run("scripts/draw_timeline.py", tmp_path, "--out", tmp_path / "timeline.png")
    assert ended.returncode == 2
    assert ended.stderr.endswith("timeline.png: the picture is an SVG file; give a name that ends in .svg\n")
    assert not [*tmp_path.iterdir()]
