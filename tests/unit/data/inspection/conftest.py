import pytest

from tests.unit.data.files import write_own_features

VIDEOS = [f"v{number:02d}" for number in range(40)]
ROWS = [f"{video},{start},{start + 2},{label}" for video in VIDEOS for start, label in ((0, "dog"), (3, "cat"))]
"""Events of all videos, as a table of one's own has them."""


@pytest.fixture
def folder(tmp_path):
    """Features of all videos, 20 snippets each."""
    return write_own_features(tmp_path / "features", dict.fromkeys(VIDEOS, 20))
