import warnings
from pathlib import Path

import pytest

from avel.errors import UserError
from avel.extraction.attempt import Attempt, attempt

FILE = Path("clip.mp4")


def test_warnings_are_kept_once_each():
    def work():
        for message in ("cut off", "damaged", "cut off"):
            warnings.warn(message, stacklevel=1)
        return 3

    assert attempt(FILE, work) == Attempt(3, "", ("cut off", "damaged"))


@pytest.mark.parametrize(
    ("error", "message"), [(UserError("clip.mp4: bad"), "clip.mp4: bad"), (KeyError("x"), "clip.mp4: KeyError: 'x'")]
)
def test_errors_become_messages(error, message):
    def work():
        raise error

    assert attempt(FILE, work) == Attempt(None, message, ())


def test_who_stops_the_program_stops_it():
    def work():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(FILE, work)
