"""Databases that hypothesis draws, for writers of the formats under test."""

from hypothesis import strategies as st

NAMES = st.text(st.characters(codec="ascii", categories=["Lu", "Ll", "Nd"]), min_size=1, max_size=8)
LABELS = (
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=10)
    .map(str.strip)
    .filter(bool)
)
TIMES = st.integers(0, 10**7).map(lambda milliseconds: milliseconds / 1000)


@st.composite
def events(draw):
    start, length = draw(TIMES), draw(TIMES)
    return {"segment": [start, round(start + length, 3)], "label": draw(LABELS)}


ENTRIES = st.lists(events(), max_size=4).map(lambda rows: {"annotations": rows})
DATABASES = st.dictionaries(NAMES, ENTRIES, min_size=1, max_size=4)
