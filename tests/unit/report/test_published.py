import re

import pytest

from avel.errors import UserError
from avel.report.published import Literature, PublishedResult, read_literature

RESULT = {
    "value": 36.5,
    "metric": "mAP 0.5:0.05:0.95",
    "features": "TSP",
    "selection": "the last epoch",
    "source": "README of its authors",
    "first_hand": True,
}
DOCUMENT = {"one": {"results": [RESULT]}, "two": {"absent": "not verified"}}


def test_an_experiment_has_results_or_a_reason_why_it_has_none():
    found = read_literature(DOCUMENT, ["two", "one"], "published.yaml")
    assert found == {"one": Literature((PublishedResult(**RESULT),)), "two": Literature(absent="not verified")}
    assert list(found) == ["one", "two"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"one": {"absent": "-"}}, "two: every experiment must be there"),
        (DOCUMENT | {"three": {"absent": "-"}}, "three: every experiment must be there, and nothing else"),
        (DOCUMENT | {"one": "not verified"}, "one: give `results` or `absent`, not 'not verified'"),
        (DOCUMENT | {"one": {}}, "one: give either `results` or"),
        (DOCUMENT | {"one": {"results": [RESULT], "absent": "-"}}, "one: give either `results` or"),
        (DOCUMENT | {"one": {"results": [RESULT | {"year": 2022}]}}, "one: a result needs all fields"),
        (DOCUMENT | {"one": {"results": [{"value": 1.0}]}}, "one: a result needs all fields"),
    ],
)
def test_what_is_wrong_is_named(document, message):
    with pytest.raises(UserError, match=rf"^published\.yaml: .*{re.escape(message)}"):
        read_literature(document, ["one", "two"], "published.yaml")


def test_a_note_says_where_a_number_was_read_and_by_what_protocol_it_came_about():
    expected = "mAP 0.5:0.05:0.95; features: TSP; weights by: the last epoch. Read in: README of its authors."
    assert PublishedResult(**RESULT).note() == expected
    assert "Read in: second-hand, README" in PublishedResult(**RESULT | {"first_hand": False}).note()
