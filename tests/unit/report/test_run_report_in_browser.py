"""What only a browser can tell: that reports work."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from avel.data.synthetic_mp4 import write_mp4
from avel.report.run_report import Difference
from avel.report.run_report_page import write_report
from tests.unit.report.browser import NEEDS_CHROMIUM
from tests.unit.report.reports import dense, gallery, report, segments
from tests.unit.report.test_page import ODD

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]

PAGES = ("one", "compared", "nothing", "background", "seconds", "tasks", "odd", "large")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    pictures = [np.full((48, 64, 3), 25 * (k // 10), np.uint8) for k in range(100)]
    write_mp4(folder / "a #1.mp4", pictures, Fraction(10), np.zeros((1, 10 * 22050), np.float32), 22050)
    videos = tuple(f"video{number:05d}" for number in range(2167))
    of_seconds = gallery()
    background = replace(of_seconds, found=(replace(of_seconds.found[0], quality=[5000, 6000, 7000]),))
    reports = {
        "one": report(dense(files=("a%20%231.mp4", "lost.mp4", "")), notes=("chosen on the test split",)),
        "compared": report(dense(3), runs=3),
        "seconds": report(segments()),
        "nothing": report(undefined(dense(2)), runs=2),
        "background": report(replace(segments(), gallery=background)),
        "tasks": report(dense(task="unav100"), dense(task="desed")),
        "odd": report(dense(videos=tuple(ODD), classes=tuple(ODD))),
        "large": report(dense(videos=videos, classes=tuple(f"class {number}" for number in range(100)), per_video=100)),
    }
    for name, made in reports.items():
        write_report(folder / f"{name}.html", made)
    return folder


def undefined(section):
    """The same where there were no events."""
    errors = tuple(replace(of_run, ap=None, ap_normalized=None, characteristics={}) for of_run in section.errors)
    scores = {name: (None,) * len(values) for name, values in section.scores.items()}
    return replace(section, scores=scores, errors=errors, differences=(Difference(None, None, None),))


def open_at_videos(tab, path):
    tab.open(path)
    tab("document.querySelector('.videos').scrollIntoView({ behavior: 'instant' })")
    tab.until("document.querySelector('.lanes')")


@pytest.fixture
def page(tab, folder):
    open_at_videos(tab, folder / "one.html")
    yield tab
    assert tab.messages == []


def classes(tab):
    return tab.texts(".sortable tbody td:first-child")


def videos(tab):
    return tab.texts(".video strong")


def bars(tab, video=0):
    return tab(f"document.querySelectorAll('.video')[{video}].querySelectorAll('.found').length")


def click(tab, selector, x=0.5):
    middle = "{ behavior: 'instant', block: 'center' }"
    tab(f"document.querySelector('{selector}').scrollIntoView({middle})")
    tab.click(selector, x)


def button(tab, text):
    tab(f"[...document.querySelectorAll('button')].find((button) => button.textContent === '{text}').click()")


def test_the_slider_shows_and_hides_in_all_videos(page):
    page("document.querySelector('.sliders input').focus()")
    for value, expected in ((8000, 1), (5000, 2), (0, 3), (9000, 1)):
        page(
            f"(at => {{ at.value = {value}; at.dispatchEvent(new Event('input')); }})"
            "(document.querySelector('.sliders input'))"
        )
        page.until(
            f"document.querySelector('.video .found, .video .lanes') && {expected} === "
            "document.querySelectorAll('.video')[1].querySelectorAll('.found').length"
        )
        assert bars(page, 0) == expected
    before = page("document.querySelector('.sliders output').textContent")
    page.press("ArrowLeft", 37)
    assert page("document.querySelector('.sliders output').textContent") < before


def test_the_class_table_is_sorted_and_searched(page):
    assert classes(page) == ["dog", "<b>cat</b>", "rain"]
    heads = "[...document.querySelectorAll('.sortable th')].map((head) => head.getAttribute('aria-sort'))"
    assert page(heads) == [None, None, None, "descending", None]
    click(page, ".sortable th:nth-child(3) button")
    assert classes(page) == ["<b>cat</b>", "dog", "rain"]
    click(page, ".sortable th:nth-child(3) button")
    assert classes(page) == ["rain", "dog", "<b>cat</b>"]
    assert page(heads) == [None, None, "ascending", None, None]
    click(page, ".sortable th:nth-child(1) button")
    assert classes(page) == ["<b>cat</b>", "dog", "rain"]
    page(
        "(field => { field.value = 'A'; field.dispatchEvent(new Event('input')); })"
        "(document.querySelector('input[type=search]'))"
    )
    assert classes(page) == ["<b>cat</b>", "rain"]


def test_undefined_numbers_come_last_either_way(page):
    for _ in range(2):
        assert classes(page)[-1] == "rain"
        click(page, ".sortable th:nth-child(4) button")


def test_a_class_is_chosen_by_keys(page):
    page("document.querySelector('.sortable tbody tr').focus()")
    page.press("ArrowDown", 40)
    page.press("Enter", 13)
    assert page.texts(".sortable tr.selected td:first-child") == ["<b>cat</b>"]
    said = page.texts(".part p[role=status]")
    assert said[0].startswith("<b>cat</b>.")
    page.press("Enter", 13)
    assert page.texts(".part p[role=status]")[0].startswith("Mean over classes")


def test_another_tiou_changes_the_table(page):
    last = ".sortable tbody td:last-child"
    assert page.texts(last) == ["90.0", "70.0", "–"]
    page("(at => { at.value = 1; at.dispatchEvent(new Event('change')); })(document.querySelector('.choice select'))")
    assert page.texts(last) == ["40.0", "30.0", "–"]


def test_a_click_in_a_timeline_goes_there(page):
    click(page, ".video.playable svg.track", x=0.5)
    page.until("document.querySelector('video')?.readyState >= 2 && !document.querySelector('video').seeking")
    page("document.querySelector('video').pause()")
    assert 4.9 <= page("document.querySelector('video').currentTime") < 6.5
    page.until("!document.querySelector('.head').hidden")
    assert 0.48 < float(page("document.querySelector('.head').style.getPropertyValue('--at')")) < 0.66
    click(page, ".video.playable .play")  # from the first event on
    page.until("Math.abs(document.querySelector('video').currentTime - 2) < 1")


def test_a_video_that_cannot_be_played_is_told(tab, folder):
    open_at_videos(tab, folder / "one.html")
    tab("document.querySelectorAll('.playable .play')[1].click()")
    tab.until("document.querySelector('.screen p')")
    assert "cannot play" in tab.texts(".screen p")[0]
    assert len(tab.messages) == 1
    tab.messages.clear()


def test_videos_are_ordered_and_found(page):
    assert videos(page) == ["v0", "v1"]  # worst first; the video without events has no quality
    button(page, "Best")
    assert videos(page) == ["v1", "v0"]
    button(page, "Without events")
    assert videos(page) == ["v2"]
    button(page, "All")
    assert videos(page) == ["v0", "v1", "v2"]
    page(
        "(field => { field.value = 'V2'; field.dispatchEvent(new Event('input')); })"
        "([...document.querySelectorAll('input[type=search]')].at(-1))"
    )
    assert videos(page) == ["v2"]


def test_what_speaks_against_the_numbers_is_seen_first(page):
    page("window.scrollTo({ top: 0, behavior: 'instant' })")
    assert page.texts(".warning") == ["chosen on the test split"]
    top = page("document.querySelector('.warning').getBoundingClientRect().bottom")
    assert top < 300


def test_the_button_changes_the_theme(page):
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page(paper)
    click(page, "#theme")
    assert page(paper) == light
    click(page, "#theme")
    assert page(paper) != light
    click(page, "#theme")
    assert page(paper) == light


def test_runs_are_compared(tab, folder):
    open_at_videos(tab, folder / "compared.html")
    assert tab.texts(".difference")[0].startswith(
        "run 1 minus run 0: +5.00 points of mAP, 95 % interval -1.00 to +11.00"
    )
    assert len(tab.texts(".sliders label")) == 3
    assert videos(tab) == ["v1", "v0"]  # where they differ most
    head = tab("[...document.querySelectorAll('.sortable th')].map((head) => head.textContent)")
    assert "Δ AP run 2" in head
    assert tab("document.querySelectorAll('tr.differs').length") == 1  # the seed
    assert tab.messages == []


def test_mistakes_of_runs_stand_side_by_side(tab, folder):
    tab.open(folder / "compared.html")
    heads = "[...document.querySelectorAll('th')].map((head) => head.textContent)"
    shown = tab(heads)
    assert [f"how many run {run}" for run in range(3)] == [head for head in shown if head.startswith("how many")]
    assert shown.count("missed run 2") == 1


def test_what_is_not_defined_is_not_drawn_as_nought(tab, folder):
    tab.open(folder / "one.html")
    lines = "[...document.querySelectorAll('.part')].find((part) => part.querySelector('h3').textContent === 'Scores')"
    assert tab(f"{lines}.querySelectorAll('.line').length") == 2
    assert tab(f"{lines}.querySelectorAll('circle').length") == 2 + 1  # the baseline has no mAP at 0.5
    tab.open(folder / "nothing.html")
    assert "run 1 minus run 0: mAP is not defined." in tab.texts(".hint")
    assert tab.messages == []


def test_accuracy_of_a_video_without_events_is_shown(tab, folder):
    open_at_videos(tab, folder / "background.html")
    button(tab, "All")
    tab("document.querySelectorAll('.video')[2].scrollIntoView({ behavior: 'instant' })")
    tab.until("document.querySelectorAll('.video')[2].querySelector('.lanes')")
    assert tab.texts(".video header .faint")[2].startswith("70.0 % ·")


def test_seconds_are_confused(tab, folder):
    open_at_videos(tab, folder / "seconds.html")
    assert classes(tab) == ["rain", "background", "dog", "<b>cat</b>"]
    assert tab.texts(".plain tbody tr:first-child th").count("dog") == 1  # 6 seconds taken for background
    assert tab("document.querySelectorAll('.matrix rect').length") == 6
    assert tab.messages == []


def test_tasks_have_sections(tab, folder):
    tab.open(folder / "tasks.html")
    assert tab.texts("h2") == ["unav100", "desed"]
    overview = "[...document.querySelectorAll('.part')[0].querySelectorAll('tbody tr')].map((row) => row.textContent)"
    assert tab(overview) == ["unav100, mAP50.001.00", "desed, mAP50.001.00"]
    assert "desed: Videos" in tab.texts("#contents a")
    assert tab.messages == []


def test_odd_names_are_shown_literally(tab, folder):
    tab.open(folder / "odd.html")
    button(tab, "All")
    tab("document.querySelector('.videos + .more').click()")
    names = tab("[...document.querySelectorAll('.video strong')].map((name) => name.textContent)")
    assert names == ODD
    assert sorted(
        tab("[...document.querySelectorAll('.sortable tbody td:first-child')].map((cell) => cell.textContent)")
    ) == sorted(ODD)
    assert tab("document.querySelectorAll('img, main script').length") == 0
    assert tab.messages == []


def test_of_many_videos_few_are_drawn(tab, folder):
    open_at_videos(tab, folder / "large.html")
    assert len(videos(tab)) == 10
    assert tab("document.querySelectorAll('*').length") < 6000
    button(tab, "All")
    tab(
        "(field => { field.value = '01999'; field.dispatchEvent(new Event('input')); })"
        "([...document.querySelectorAll('input[type=search]')].at(-1))"
    )
    assert videos(tab) == ["video01999"]
    assert tab.messages == []


@pytest.mark.parametrize("dark", [False, True])
def test_all_pages_open_quietly_and_fetch_nothing(tab, folder, dark):
    tab.requests.clear()
    for name in PAGES:
        tab.open(folder / f"{name}.html", dark=dark)
    assert tab.messages == []
    assert {url for url in tab.requests if not url.startswith("data:")} == {
        (folder / f"{name}.html").as_uri() for name in PAGES
    }


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (400, 800)])
def test_pages_fit_on_the_screen(tab, folder, width, height):
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    for name in PAGES:
        tab.open(folder / f"{name}.html")
        assert tab("document.documentElement.scrollWidth") <= width, name
    tab.call("Emulation.clearDeviceMetricsOverride")


def test_printing_draws_what_is_listed(tab, folder):
    tab.open(folder / "large.html")
    tab("window.dispatchEvent(new Event('beforeprint'))")
    assert tab("document.querySelectorAll('.lanes').length") == 10


def test_numbers_of_axes_can_be_read(tab, tmp_path):
    made = report(dense())
    run = replace(made.runs[0], curves={"val/map": ([0, 1], [0.00042, 0.00037])})
    write_report(tmp_path / "small.html", replace(made, runs=(run,)))
    tab.open(tmp_path / "small.html")
    texts = "[...[...document.querySelectorAll('.chart')].at(-1).querySelectorAll('text')]"
    steps = tab(
        f"{texts}.filter((text) => text.getAttribute('text-anchor') === 'middle').map((text) => text.textContent)"
    )
    assert steps == ["0", "1", "step", "val/map"]
    lefts = tab(
        f"{texts}.map((text) => [text.textContent, text.getBoundingClientRect()]).map(([t, b]) => [t, b.left, b.right])"
    )
    (name,) = (right for text, _, right in lefts if text == "val/map")
    assert all(left > name for text, left, _ in lefts if text.startswith("0.000"))
    assert tab.messages == []


def test_baselines_differ_by_their_dashes(tab, folder, tmp_path):
    section = dense()
    made = replace(section, baselines=section.baselines | {"untrained": {"map": 1, "map@0.50": 1, "map@0.90": 0}})
    write_report(tmp_path / "two.html", report(made))
    tab.open(tmp_path / "two.html")
    dashes = tab("[...document.querySelectorAll('.sample path')].slice(0, 3).map((path) => path.style.strokeDasharray)")
    assert len(set(dashes)) == 3
