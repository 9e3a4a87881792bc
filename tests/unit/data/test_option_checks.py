import pytest

from avel.data.option_checks import check_share, check_stated
from avel.errors import UserError


def test_what_files_are_asked_for_may_be_left_open():
    check_stated({"num_classes": None, "visual_dim": 1, "audio_dim": 0, "max_length": None})


@pytest.mark.parametrize(
    ("name", "number"),
    [("num_classes", 0), ("num_classes", 10**6 + 1), ("visual_dim", 0), ("audio_dim", -1), ("max_length", 1.5)],
)
def test_numbers_that_no_data_set_has(name, number):
    with pytest.raises(UserError, match=rf"^data\.{name}={number}: give a whole number"):
        check_stated({name: number})


@pytest.mark.parametrize("share", [-0.1, 1, float("nan")])
def test_a_share_leaves_something_of_the_whole(share):
    check_share("data.held_out", 0)
    with pytest.raises(UserError, match=rf"^data\.held_out={share}: give a share from 0 to below 1$"):
        check_share("data.held_out", share)
