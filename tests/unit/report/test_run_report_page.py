import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.report.run_report import share
from avel.report.run_report_page import write_report
from tests.unit.report.reports import dense, report, segments
from tests.unit.report.test_page import ODD, Parsed, texts


def shown(path, made):
    write_report(path / "report.html", made)
    return Parsed(path / "report.html")


def test_a_page_holds_all_there_is(tmp_path):
    parsed = shown(tmp_path, report(dense(2), segments(), runs=2, notes=("too good",)))
    assert parsed.texts["title"] == ["ccnet <i>unav100</i>"]
    assert [run["notes"] for run in parsed.data["runs"]] == [["too good"]] * 2
    assert [section["score"] for section in parsed.data["sections"]] == ["map", "accuracy"]
    assert parsed.data["sections"][0]["gallery"]["found"][1]["quality"] == [2500, 6000, None]
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_it_fetches_nothing(tmp_path):
    parsed = shown(tmp_path, report(dense()))
    (policy,) = (tag["content"] for tag in parsed.all("meta") if tag.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert {tag.get("src") for tag in parsed.all("script")} == {None}
    assert [tag["href"] for tag in parsed.all("link")] == ["data:,"]


@settings(max_examples=20)
@given(st.lists(texts, min_size=3, max_size=3, unique=True))
def test_names_are_shown_as_they_are(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("page")
    parsed = shown(folder, report(dense(classes=tuple(names), videos=tuple(names))))
    section = parsed.data["sections"][0]
    assert section["classes"] == section["gallery"]["videos"] == names
    assert {name for name, _ in parsed.tags} <= {
        *("html", "head", "meta", "link", "title", "style", "body", "header", "h1", "nav", "button", "main"),
        *("noscript", "p", "script"),
    }
    assert [path.name for path in folder.iterdir()] == ["report.html"]


def test_odd_names_end_no_script(tmp_path):
    parsed = shown(tmp_path, report(dense(videos=tuple(ODD), classes=tuple(ODD))))
    assert parsed.data["sections"][0]["gallery"]["videos"] == ODD
    assert len(parsed.all("script")) == 2


def test_the_test_split_of_unav100_fits_into_8_megabytes(tmp_path):
    videos = tuple(f"-{number:05d}abcdef_{number % 600}" for number in range(2167))
    section = dense(videos=videos, classes=tuple(f"class {number}" for number in range(100)), per_video=100)
    write_report(tmp_path / "report.html", report(section))
    assert (tmp_path / "report.html").stat().st_size < 8e6


def test_what_is_no_number_is_not_defined():
    assert [share(value) for value in (None, math.nan, math.inf, 0.12345, -0.5)] == [None, None, None, 1234, -5000]


def test_numbers_that_json_lacks_are_refused(tmp_path):
    broken = report(dense())
    broken.runs[0].curves["train/loss"][1].append(math.nan)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_report(tmp_path / "report.html", broken)
    assert list(tmp_path.iterdir()) == []
