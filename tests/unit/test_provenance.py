import json

from hypothesis import given
from hypothesis import strategies as st

from avel.provenance import ABSENT, differences, provenance_of, show_differences

LEAVES = st.integers(0, 3) | st.text(max_size=2) | st.lists(st.integers(0, 3), max_size=2)
TREES = st.dictionaries(st.sampled_from("abc"), LEAVES | st.dictionaries(st.sampled_from("xy"), LEAVES, min_size=1))


def test_only_what_decides_the_numbers_counts():
    manifest = {"fps": 8, "stride": 2, "window": 4, "visual": ["_v.npy"], "versions": {"av": "1"}, "files": {"a": {}}}
    assert provenance_of(manifest) == {"fps": 8, "stride": 2, "window": 4}
    assert provenance_of(manifest | {"encoders": "of a friend"})["encoders"] == "of a friend"


def test_differences_are_told_key_by_key_with_both_values():
    one = {"fps": 8, "encoders": {"visual": {"hop": 0.25, "only": 1}, "audio": {"bands": 64}}}
    other = {"fps": 8.0, "encoders": {"visual": {"hop": 0.5}, "audio": {"bands": 64}}, "reading": 1}
    assert differences(one, other) == {
        "encoders.visual.hop": (0.25, 0.5),
        "encoders.visual.only": (1, ABSENT),
        "reading": (ABSENT, 1),
    }
    assert show_differences(one, other, ("then", "now")).splitlines() == [
        "  encoders.visual.hop: 0.25 (then), 0.5 (now)",
        "  encoders.visual.only: 1 (then), not stated (now)",
        "  reading: not stated (then), 1 (now)",
    ]


@given(one=TREES, other=TREES)
def test_there_are_differences_where_statements_differ(one, other):
    assert (differences(one, other) == {}) == (one == other)
    assert differences(other, one) == {key: (b, a) for key, (a, b) in differences(one, other).items()}
    assert differences(one, json.loads(json.dumps(one))) == {}
