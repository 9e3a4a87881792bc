import pytest

from avel.data.option_names import name_options_of, naming_options_of
from avel.errors import UserError


@pytest.mark.parametrize(
    ("told", "named"),
    [
        (
            "data.held_out=0.1 or data.loader.batch_size",
            "data.sets.desed.held_out=0.1 or data.sets.desed.loader.batch_size",
        ),
        ("data.selection_split=test", "data.selection_split=test"),
        ("data.sets.desed.root", "data.sets.desed.root"),
        ("/x/data.json, my-data.npy and a/data.h5", "/x/data.json, my-data.npy and a/data.h5"),
    ],
)
def test_options_bear_the_name_of_their_set(told, named):
    assert name_options_of("desed", told) == named
    assert name_options_of("", told) == told
    with pytest.raises(UserError) as caught, naming_options_of("desed"):
        raise UserError(told)
    assert str(caught.value) == named
