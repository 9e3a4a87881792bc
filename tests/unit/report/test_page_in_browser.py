"""What only a browser can tell: that the page works."""

from fractions import Fraction

import numpy as np
import pytest

from avel.data.synthetic_mp4 import write_mp4
from avel.events import Event
from avel.report.page import write_index, write_page
from tests.unit.report.browser import NEEDS_CHROMIUM

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]

EVENTS = [
    Event("v", 1.0, 1.5, "dog", 0.93),
    Event("v", 3.0, 4.5, "<b>cat</b>", 0.8),
    Event("v", 3.5, 6.0, "dog", 0.6),
    Event("v", 7.0, 8.0, "rain", 0.2),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    pictures = [np.full((48, 64, 3), 25 * (k // 10), np.uint8) for k in range(100)]
    write_mp4(folder / "a #1.mp4", pictures, Fraction(10), np.zeros((1, 10 * 22050), np.float32), 22050)
    many = [Event("v", 10.0 * k, 10.0 * k + 3, "dog") for k in range(1080)]
    pages = [
        write_page(folder / "page.html", folder / "a #1.mp4", 10.0, EVENTS, index=folder / "index.html"),
        write_page(folder / "silent.html", None, 10.0, EVENTS),
        write_page(folder / "lost.html", folder / "lost.mkv", 10.0, EVENTS),
        write_page(folder / "long.html", None, 10800.0, many),
    ]
    write_index(folder / "index.html", pages)
    return folder


@pytest.fixture
def page(tab, folder):
    tab.open(folder / "page.html")
    tab.until("video.readyState >= 2")
    yield tab
    assert tab.messages == []


def names(tab):
    return tab.texts("#events td:nth-child(3)")


def set_threshold(tab, value):
    tab(f"threshold.value = {value}; threshold.dispatchEvent(new Event('input'))")


def time(tab):
    return tab("video.currentTime")


def test_sure_events_are_shown(page):
    assert names(page) == ["dog", "<b>cat</b>", "dog"]
    assert page.texts(".row .name b") == ["dog", "<b>cat</b>"]
    assert page.texts("#summary") == ["3 of 4 events · 2 classes · 0:10"]
    assert page("document.querySelectorAll('.event').length") == 3
    bar = "document.querySelector('.row:nth-child(2) .event').style"
    assert page(f"[{bar}.left, {bar}.width]") == ["30%", "15%"]


def test_the_slider_shows_and_hides(page):
    set_threshold(page, 0.1)
    assert names(page) == ["dog", "<b>cat</b>", "dog", "rain"]
    set_threshold(page, 0.85)
    assert names(page) == ["dog"]
    assert page.texts(".row .name b") == ["dog"]
    set_threshold(page, 1)
    assert names(page) == []
    assert page.texts("#note") == ["No event is so sure: lower the score."]


def test_a_click_on_an_event_plays_it_to_its_end(page):
    page.click(".row:nth-child(1) .event:last-child")
    page.until("video.played.length && video.paused && !video.seeking")
    assert page("video.played.start(0)") == pytest.approx(1.0, abs=0.05)
    assert time(page) == pytest.approx(1.5)
    assert page("document.querySelectorAll('.event.selected, tr.selected').length") == 2


def test_a_click_in_the_list_plays_on_if_asked_to(page):
    page.click("#stop")
    page.click("#events tr:nth-child(1) td:nth-child(3)")
    page.until("video.currentTime > 1.7")
    assert not page("video.paused")
    page("video.pause()")


def test_a_click_on_a_place_goes_there(page):
    page.click(".row:nth-child(2) .track", x=0.75)
    page.until("!video.paused")
    page("video.pause()")
    assert 7.4 < time(page) < 8.5
    page("video.currentTime = 4")
    page.until("document.getElementById('clock').textContent === '0:04.0'")
    assert page.texts("#now span") == ["<b>cat</b>", "dog"]
    assert page("document.getElementById('playhead').style.getPropertyValue('--at')") == "0.4"


def test_the_list_is_sorted(page):
    page.click("th:nth-child(4) button")
    assert page.texts("#events td:nth-child(4)") == ["0.93", "0.80", "0.60"]
    page.click("th:nth-child(4) button")
    assert page.texts("#events td:nth-child(4)") == ["0.60", "0.80", "0.93"]
    assert page("document.querySelector('th:nth-child(4)').getAttribute('aria-sort')") == "ascending"
    page.click("th:nth-child(2) button")
    assert page.texts("#events td:nth-child(2)") == ["2.5 s", "1.5 s", "0.5 s"]


def test_a_class_can_be_singled_out(page):
    page.click(".row:nth-child(2) .name")
    assert names(page) == ["<b>cat</b>"]
    page.press("Escape", 27)
    assert len(names(page)) == 3


def test_keys_are_enough(page):
    page.press("n", 78)
    assert time(page) == pytest.approx(1.0)
    page.press("n", 78)
    assert time(page) == pytest.approx(3.0)
    page.press("p", 80)
    assert time(page) == pytest.approx(1.0)
    page.press("ArrowRight", 39)
    assert time(page) == pytest.approx(6.0)
    page.press(" ", 32)
    page.until("!video.paused")
    page.press(" ", 32)
    page.until("video.paused")
    page("document.querySelector('#events tr').focus()")
    page.press("ArrowDown", 40)
    page.press("Enter", 13)
    page.until("!video.paused")
    assert 3 <= time(page) < 4


def test_zoom_keeps_the_place(tab, folder):
    tab.open(folder / "long.html")
    tab("document.querySelectorAll('.event')[540].click()")
    for _ in range(5):
        tab.press("+", 187)
    tab.until("!document.getElementById('overview').hidden")
    inside = "(({left, right}) => left >= box.left - 1 && right <= box.right)"
    box = "const box = document.getElementById('scroll').getBoundingClientRect();"
    assert tab(f"{box} {inside}(document.querySelector('.event.selected').getBoundingClientRect())")
    assert tab.texts("#ticks span")[0].startswith("1:2")
    tab.press("0", 48)
    assert tab("document.getElementById('overview').hidden")
    assert tab.texts("#ticks span")[0] == "0:00"
    assert tab.texts("#ticks span")[-1] == "3:00:00"
    assert tab("document.querySelectorAll('#events tr').length") == 1000
    assert tab.texts("#note") == ["and 80 more: raise the score, or choose a class in the timeline"]
    assert tab.messages == []


def test_a_page_without_a_player_still_shows(tab, folder):
    tab.open(folder / "silent.html")
    tab.press("n", 78)
    assert tab.texts("#clock") == ["0:01.0"]
    tab.click("#events tr:nth-child(2) td:nth-child(3)")
    assert tab.texts("#clock") == ["0:03.0"]
    assert tab.messages == []


def test_a_video_that_cannot_be_played_is_told(tab, folder):
    tab.open(folder / "lost.html")
    tab.until("!document.getElementById('unplayable').hidden")
    tab.press("n", 78)
    assert tab.texts("#clock") == ["0:01.0"]
    assert [message["entry"]["text"] for message in tab.messages] == [
        "Failed to load resource: net::ERR_FILE_NOT_FOUND"
    ]
    tab.messages.clear()


@pytest.mark.parametrize("dark", [False, True])
def test_all_pages_open_quietly_and_fetch_nothing_from_elsewhere(tab, folder, dark):
    tab.requests.clear()
    for name in ("index.html", "page.html", "silent.html", "long.html"):
        tab.open(folder / name, dark=dark)
    assert tab.messages == []
    assert {url.rpartition("/")[0] for url in tab.requests if not url.startswith("data:")} == {folder.as_uri()}


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080), (1000, 640), (390, 800)])
def test_pages_fit_on_the_screen(tab, folder, width, height):
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    for name in ("index.html", "page.html", "silent.html", "long.html"):
        tab.open(folder / name)
        high, wide = tab("[document.body.scrollHeight, document.documentElement.scrollWidth]")
        assert wide <= width
        assert high <= height or width < 860 or name == "index.html"
    tab.call("Emulation.clearDeviceMetricsOverride")
