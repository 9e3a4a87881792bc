import pytest

from avel.errors import UserError
from avel.layers.pyramid import PyramidConfig
from avel.layers.single_stream import SingleStreamConfig


@pytest.mark.parametrize("config", [PyramidConfig, SingleStreamConfig])
@pytest.mark.parametrize(
    "option",
    [
        {"heads": 3},
        {"embedding_layers": 0},
        {"stem_layers": -1},
        {"levels": 21},
        {"kernel_size": 4},
        {"kernel_size": -1},
        {"drop_path": 1.0},
        {"residual_scale": -0.1},
    ],
    ids=str,
)
def test_impossible_sizes_are_refused(config, option):
    ((name, value),) = option.items()
    with pytest.raises(UserError, match=rf"^method\.pyramid\.{name}={value}: "):
        config(**option)


@pytest.mark.parametrize("config", [PyramidConfig, SingleStreamConfig])
def test_the_smallest_and_the_largest_are_possible(config):
    assert config(dim=1, heads=1, embedding_layers=1, stem_layers=0, levels=1, kernel_size=1, drop_path=0).levels == 1
    assert config(embedding_layers=20, stem_layers=20, levels=20).levels == 20
