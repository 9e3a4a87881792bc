"""What is said of the weights that are tested."""

from types import SimpleNamespace

import pytest

from avel_run.stages import warn_of_choice
from tests.config.test_splits import DATA, config

TESTED = SimpleNamespace(selection_split="test")


@pytest.mark.parametrize(
    ("data", "callbacks", "weights", "said"),
    [
        (DATA, {}, "best.ckpt", []),
        (DATA, {"stop_and_go": {"patience": 1}}, "best.ckpt", []),
        (DATA, {}, "last.ckpt", ["There is no best.ckpt"]),
        (DATA, {}, None, ["No checkpoint was kept"]),
        (TESTED, {}, "best.ckpt", ["The checkpoint was chosen on the test split"]),
        (TESTED, {"stop_and_go": {"patience": 1}}, "last.ckpt", ["Stop-and-go looked", "There is no best.ckpt"]),
    ],
)
def test_a_choice_by_the_test_split_and_one_by_nothing_are_told(caplog, data, callbacks, weights, said):
    warn_of_choice(config(**callbacks), data, weights)
    assert len(caplog.messages) == len(said)
    assert all(message.startswith(start) for message, start in zip(caplog.messages, said, strict=True))
