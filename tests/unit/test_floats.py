import pytest
import torch

from avel.floats import at_least_float32, full_precision


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_only_half_precision_is_left(given, wanted):
    assert at_least_float32(torch.ones(2, dtype=given)).dtype == wanted


def test_a_matrix_product_in_full_precision_keeps_what_half_precision_loses():
    seconds, one = torch.tensor([[1001.25]]), torch.ones(1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert seconds @ one != seconds
        with full_precision(seconds.device):
            assert seconds @ one == seconds
