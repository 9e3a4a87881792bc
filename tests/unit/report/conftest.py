import pytest

from tests.unit.report.browser import browser


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    """A browser's tab."""
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
