import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel_bench.report import number, table
from avel_bench.rows import Goal, Row, ratio

positive = st.floats(1e-3, 1e6)


@given(positive, positive)
def test_a_limit_is_kept_from_one_side(limit, value):
    assert Goal(limit).met(limit)
    assert Goal(limit, at_most=False).met(limit)
    assert Goal(limit).met(value) or Goal(limit, at_most=False).met(value)


@given(st.lists(positive, min_size=1, max_size=9))
def test_the_median_lies_in_the_spread_of_plain_values(samples):
    plain = Row("x", "ms", samples, Goal(1.0)).as_dict()
    assert plain["spread"]["min"] <= plain["median"] <= plain["spread"]["max"]
    assert plain["samples"] == samples
    assert plain["met"] == (plain["median"] <= 1)


def test_rows_without_goal_meet_none():
    assert Row("x", "ms", [1.0]).met is None
    assert "goal" not in Row("x", "ms", [1.0]).as_dict()


def test_a_ratio_is_that_of_what_was_measured_by_turns():
    found = ratio("x", Row("a", "ms", [6.0, 8.0, 30.0]), Row("b", "ms", [2.0, 4.0, 3.0]), Goal(3))
    assert (found.samples, found.median, found.met) == ([3.0, 2.0, 10.0], 3.0, True)


@pytest.mark.parametrize(("value", "shown"), [(0.05, "0.050"), (1.234, "1.23"), (45.67, "45.7"), (60700.4, "60,700")])
def test_numbers_have_about_three_digits(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize("judged", [True, False])
def test_goals_of_narrow_sizes_are_not_judged(console, judged):
    console.print(table("T", [Row("x", "ms", [2.0, 3.0], Goal(1))], judged=judged))
    assert ("≤ 1 missed" in console.file.getvalue()) == judged
