import pytest
from hypothesis import given, settings

from avel.exchange.text import decimals, parse_number, shown
from tests.unit.exchange.drawn import LABELS, NUMBERS


@settings(max_examples=100)
@given(LABELS)
def test_what_is_shown_is_one_line_that_any_file_can_hold(label):
    text = shown(label)
    assert text == shown(text)
    assert text == text.strip() != ""
    assert len(text.splitlines()) == 1
    assert text.encode().decode() == text


@pytest.mark.parametrize("label", ["dog barking", "🐕\u200d🦺", "Löwe, <b>&", "{}"])
def test_ordinary_names_are_shown_as_they_are(label):
    assert shown(label) == label


@settings(max_examples=50)
@given(NUMBERS)
def test_decimals_are_exact(number):
    assert parse_number(decimals(number)) == number
    assert "e" not in decimals(number)


def test_numbers():
    assert [decimals(number) for number in (1, 0.5, 1.00000025, 1e-7)] == [
        *("1.000000", "0.500000", "1.00000025", "0.0000001")
    ]
    assert [parse_number(text) for text in ("1.5", " 1,5 ", "90")] == [1.5, 1.5, 90]
    for text in ("", "1:30", "1.000,5", "nan", "inf", "1e999"):
        with pytest.raises(ValueError, match=r"could not convert|must be a finite number"):
            parse_number(text)
