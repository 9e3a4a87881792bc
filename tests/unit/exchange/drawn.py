"""Tables that hypothesis draws: hostile names, nasty numbers, events of several videos mixed."""

from hypothesis import strategies as st

from avel.events import Event, EventTable

NASTY = st.sampled_from(
    [
        "",
        " ",
        " dog",
        "dog ",
        "dog",
        "dog (2)",
        "dog score",
        "unnamed",
        "a\tb",
        "two\r\nlines",
        "\r",
        "<b>",
        "{}",
        "a,b",
    ]
    + ['"', "'", "\\", "\\\t1", "]]>", "&amp;", "<!DOCTYPE", "-->", "\x00", "\x85", "\u2028", "\ufffe", "\ud800", "1.5"]
    + ["dog\t0.5", 'dog\t\t"dog"', "🐕\u200d🦺", "null", "=1+1", "#"]
)
LABELS = NASTY | st.text(st.characters(), max_size=6)
IDS = NASTY | st.sampled_from(["../../x", "/etc/passwd", "C:\\x", "..", ".", "con", "NUL.txt", "A", "a", "x" * 300])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.sampled_from([0.0, 0.1, 1 / 3, 1.0004, 1.0005, 1e-9, 4e9]) | st.floats(0, 1e4) | NUMBERS
EVENTS = st.builds(Event, IDS, TIMES, TIMES, LABELS, st.none() | st.floats(0, 1) | NUMBERS)
TABLES = st.builds(
    lambda rows, twice, videos: EventTable(rows + rows[:twice], videos),
    *(st.lists(EVENTS, max_size=4), st.integers(0, 2), st.lists(IDS, max_size=2)),
)
OF_ONE_VIDEO = st.lists(st.builds(Event, st.just("v"), TIMES, TIMES, LABELS, st.none() | st.floats(0, 1)), max_size=5)
