from types import SimpleNamespace

import pytest

from avel.errors import UserError
from avel_bench.disk import videos_that_fit
from avel_bench.settings import Settings

FREE = 10_000


@pytest.fixture(autouse=True)
def small_disk(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=FREE))


@pytest.mark.parametrize(("asked", "each", "written"), [(None, 10, 400), (None, 100, 50), (7, 100, 7)])
def test_half_of_the_disk_may_be_taken(tmp_path, asked, each, written):
    assert videos_that_fit(tmp_path, Settings(videos=asked), default=400, each=each) == written


@pytest.mark.parametrize(("asked", "each"), [(51, 100), (None, 6000)])
def test_what_does_not_fit_is_told_before_it_is_written(tmp_path, asked, each):
    with pytest.raises(UserError, match="half of which may be taken: choose a smaller --videos, or another disk"):
        videos_that_fit(tmp_path, Settings(videos=asked), default=400, each=each)
