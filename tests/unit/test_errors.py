import math
import pickle

import pytest

from avel.errors import LONGEST, UserError, check_count, check_number


def test_a_message_keeps_the_ends_of_endless_lines():
    message = f"file.json: video {'a' * 50_000!r}: must be a plain name\nor not"
    first, last = str(UserError(message)).split("\n")
    assert len(first) < LONGEST
    assert first.startswith("file.json: video 'aaa")
    assert first.endswith("aaa': must be a plain name")
    assert last == "or not"


def test_an_error_is_the_same_on_the_other_side_of_a_process():
    error = UserError("a" * 5000 + "\x1b[31m")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_count("k", 0), "k=0: give a whole number from 1 on"),
        (lambda: check_count("k", True), "k=True: give a whole number from 1 on"),
        (lambda: check_count("k", 1.0, 0, 20), "k=1.0: give a whole number from 0 to 20"),
        (lambda: check_count("k", "2", optional=True), "k=2: give a whole number from 1 on, or null"),
        (lambda: check_number("k", math.nan), "k=nan: give a number from 0 on"),
        (lambda: check_number("k", math.inf), "k=inf: give a number from 0 on"),
        (lambda: check_number("k", 10**400), "k=1000"),
        (lambda: check_number("k", 0, above=True), "k=0: give a number above 0"),
        (lambda: check_number("k", 1, 0, 1, below=True), "k=1: give a number from 0 on, below 1"),
        (lambda: check_number("k", 1, 0, 1, above=True, below=True), "k=1: give a number above 0, below 1"),
        (lambda: check_number("k", 0, 0, 1, above=True), "k=0: give a number above 0, at most 1"),
        (lambda: check_number("k", None, 0, 1), "k=None: give a number from 0 to 1"),
    ],
)
def test_a_number_outside_of_its_range_is_named(check, message):
    with pytest.raises(UserError) as error:
        check()
    assert str(error.value).startswith(message)


def test_numbers_within_their_range_pass():
    check_count("k", 20, most=20)
    check_count("k", None, optional=True)
    check_number("k", 0)
    check_number("k", 1, 0, 1)
    check_number("k", None, optional=True)
