import json
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.events import Event
from avel.report.page import Page, clock, default_threshold, write_index, write_page

EVENTS = [
    Event("v", 3.0, 4.5, "cat", 0.5),
    Event("v", 1.0, 2.0, "dog", 0.9),
    Event("v", 0.5, 9.0, "rain", 0.3),
    Event("v", 6.0, 7.0, "dog"),
]
ODD = [
    *("</script><script>alert(1)</script>", "<!--", "]]>", "'\"><img src=x>", "&lt;b&gt;", "javascript:alert(1)"),
    *("{{ 7 * 7 }}", "{% include 'page.css' %}", "two\nlines\ttab", "\u2028", "🐕\u200d🦺", "Ünïcödé"),
    *("#1?x=%41.mp4", "a:b"),
]
texts = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


class Parsed(HTMLParser):
    """The tags of a page with their attributes, and the text inside each kind of tag."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self.open = [], {}, [""]
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in {"meta", "link", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.setdefault(self.open[-1], []).append(text)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self):
        return json.loads(self.texts["script"][0])


def test_a_page_holds_all_there_is(tmp_path):
    page = write_page(tmp_path / "page.html", tmp_path / "clips" / "yard 1.mp4", 10.0, EVENTS)
    parsed = Parsed(page.path)
    assert parsed.texts["title"] == ["yard 1.mp4"]
    assert parsed.data == {
        "duration": 10.0,
        "threshold": 0.45,
        "classes": ["dog", "cat", "rain"],  # the surest first; what is annotated is surest
        "events": [[0.5, 9.0, 2, 0.3], [1.0, 2.0, 0, 0.9], [3.0, 4.5, 1, 0.5], [6.0, 7.0, 0, None]],
    }
    assert parsed.all("video")[0]["src"] == "clips/yard%201.mp4"
    assert page == Page(tmp_path / "page.html", "yard 1.mp4", 10.0, (EVENTS[1], EVENTS[0], EVENTS[3]))


def test_a_page_needs_nothing_else(tmp_path):
    write_page(tmp_path / "page.html", tmp_path / "a.mp4", 10.0, EVENTS, index=tmp_path / "index.html")
    parsed = Parsed(tmp_path / "page.html")
    targets = [attributes[key] for _, attributes in parsed.tags for key in ("src", "href") if key in attributes]
    assert set(targets) == {"data:,", "a.mp4", "index.html"}
    code = " ".join(parsed.texts["script"][1:] + parsed.texts["style"])
    assert not any(word in code for word in ("http", "@import", "url(", "fetch(", "import(", "innerHTML", "eval("))
    assert "default-src 'none'" in parsed.all("meta")[3]["content"]


def test_a_page_without_a_video_has_no_player(tmp_path):
    write_page(tmp_path / "page.html", None, 10.0, EVENTS)
    parsed = Parsed(tmp_path / "page.html")
    assert parsed.texts["title"] == ["v"]
    assert not parsed.all("video")
    assert "play" not in [attributes.get("id") for attributes in parsed.all("button")]


def test_without_scores_there_is_no_threshold(tmp_path):
    page = write_page(tmp_path / "page.html", None, 10.0, [Event("v", 1, 2, "dog")], title="June")
    assert page.events == (Event("v", 1, 2, "dog"),)
    assert not [attributes for attributes in Parsed(page.path).all("input") if attributes.get("id") == "threshold"]


@settings(max_examples=60)
@given(texts, texts, texts)
def test_names_are_shown_as_they_are(tmp_path_factory, title, label, stem):
    folder = tmp_path_factory.mktemp("page")
    video = folder / "elsewhere" / f"{stem.replace('/', '_')}.mp4"
    page = write_page(folder / "pages" / "a.html", video, 10.0, [Event("v", 1, 2, label, 0.5)], title=title)
    write_index(folder / "index.html", [page], title=title)
    plain = Parsed(write_page(folder / "plain.html", Path("a.mp4"), 10.0, EVENTS[:1], title="a").path)
    parsed, index = Parsed(page.path), Parsed(folder / "index.html")
    assert [tag for tag, _ in parsed.tags] == [tag for tag, _ in plain.tags]
    assert parsed.texts["title"] == index.texts["title"] == [title]
    assert parsed.data["classes"] == [label]
    assert label in "".join(index.texts["span"])
    url = urlsplit(urljoin(page.path.as_uri(), parsed.all("video")[0]["src"]))
    assert (url.scheme, unquote(url.path), url.query, url.fragment) == ("file", str(video), "", "")


@pytest.mark.parametrize(("scores", "threshold"), [([0.9, 0.2], 0.45), ([0.05], 0.1), ([], 0.1), ([None], 0.1)])
def test_at_first_the_surer_half_of_the_scale_is_shown(scores, threshold):
    assert default_threshold([Event("v", 0, 1, "dog", score) for score in scores]) == threshold


def test_a_threshold_can_be_given(tmp_path):
    page = write_page(tmp_path / "page.html", None, 10.0, EVENTS, threshold=0.3)
    assert len(page.events) == 4
    assert Parsed(page.path).data["threshold"] == 0.3


def test_an_index_shows_every_video(tmp_path):
    many = [Event("w", second, second + 1, f"class {second}", 0.9) for second in range(8)]
    pages = [
        write_page(tmp_path / "pages" / "v 1.html", None, 10.0, EVENTS, title="one"),
        write_page(tmp_path / "pages" / "v 2.html", None, 7322.0, many, title="two"),
        write_page(tmp_path / "pages" / "v 3.html", None, 60.0, [], title="three"),
    ]
    write_index(tmp_path / "index.html", pages)
    parsed = Parsed(tmp_path / "index.html")
    assert [link["href"] for link in parsed.all("a")] == [f"pages/v%20{number}.html" for number in (1, 2, 3)]
    text = " ".join("".join(parsed.texts["span"]).split())
    assert "3 videos" in text
    assert "3 events · 0:10" in text
    assert "8 events · 2:02:02" in text
    assert "and 2 more" in text
    assert "0 events · 1:00 no sure event" in text


def colours(path):
    """The colours that an index shows: of the dots by name, and of all bars."""
    parsed = Parsed(path)
    styles = [attributes["style"].rpartition("--colour: ")[2] for attributes in parsed.all("i")]
    kinds = [attributes.get("class") for attributes in parsed.all("i")]
    names = [text.strip() for text in parsed.texts["span"] if text.strip() in ("dog", "cat", "rain")]
    dots = [style for style, kind in zip(styles, kinds, strict=True) if kind == "dot"]
    return list(zip(names, dots, strict=True)), [style for style, kind in zip(styles, kinds, strict=True) if not kind]


def test_a_class_has_one_colour_in_all_videos(tmp_path):
    videos = [("dog", 0.9), ("cat", 0.8)], [("cat", 0.9), ("rain", 0.8)]
    events = [[Event("v", 1, 2, label, score) for label, score in video] for video in videos]
    pages = [write_page(tmp_path / f"{i}.html", None, 10.0, rows, title=str(i)) for i, rows in enumerate(events)]
    write_index(tmp_path / "index.html", pages)
    dots, bars = colours(tmp_path / "index.html")
    assert [name for name, _ in dots] == ["dog", "cat", "cat", "rain"]
    assert bars == [colour for _, colour in dots]
    assert len({*dots}) == len({*bars}) == 3


def test_clock():
    assert [clock(seconds) for seconds in (0, 59.6, 60, 3599, 3600, 10800.4)] == [
        *("0:00", "0:59", "1:00", "59:59", "1:00:00", "3:00:00")
    ]
