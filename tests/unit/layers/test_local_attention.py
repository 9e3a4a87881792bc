import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from avel.errors import UserError
from avel.layers.attention import MaskedAttention
from avel.layers.local_attention import local_attention
from avel.layers.masked import downsample


def slow_local_attention(q, k, v, mask, window, bias=None):
    """The definition, query by query: soft-max over the valid keys of the window."""
    out, reach = torch.zeros_like(q), window // 2
    for video, query in mask.nonzero().tolist():
        near = range(max(query - reach, 0), min(query + reach + 1, q.shape[2]))
        keys = [key for key in near if mask[video, key]]
        for head in range(q.shape[1]):
            scores = k[video, head, keys] @ q[video, head, query] / q.shape[3] ** 0.5
            if bias is not None:
                scores = scores + bias[head, [key - query + reach for key in keys]]
            out[video, head, query] = scores.softmax(dim=0) @ v[video, head, keys]
    return out


@st.composite
def inputs(draw):
    window = draw(st.sampled_from([3, 5, 9]))
    length = draw(st.integers(1, 45))
    lengths = torch.tensor(draw(st.lists(st.integers(0, length), min_size=1, max_size=3)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    q, k, v = torch.randn(3, len(lengths), 2, length, 4, generator=generator, dtype=torch.float64)
    bias = torch.randn(2, window, generator=generator, dtype=torch.float64) if draw(st.booleans()) else None
    return q, k, v, torch.arange(length) < lengths[:, None], window, bias


@settings(max_examples=60, deadline=None)
@given(inputs())
def test_equals_the_slow_twin_at_any_length(arguments):
    mask = arguments[3]
    found = local_attention(*arguments)
    assert found.isfinite().all()
    assert_close(found * mask[:, None, :, None], slow_local_attention(*arguments))


def test_gradients_equal_those_of_the_slow_twin():
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 2, 23, 4)] * 3 + [(2, 5)]
    leaves = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    mask = torch.arange(23) < torch.tensor([23, 9])[:, None]
    weight = torch.randn(2, 2, 23, 4, generator=generator, dtype=torch.float64) * mask[:, None, :, None]

    def gradients(function):
        *qkv, bias = leaves
        return torch.autograd.grad((function(*qkv, mask, 5, bias) * weight).sum(), leaves)

    assert_close(gradients(local_attention), gradients(slow_local_attention))


def test_memory_is_linear_in_time():
    q, k, v = torch.randn(3, 1, 1, 200_000, 1)  # 200,000 squared scores would take 160 GB
    assert local_attention(q, k, v, torch.ones(1, 200_000, dtype=torch.bool), 3).isfinite().all()


@pytest.mark.parametrize("stride", [1, 2])
def test_a_window_over_everything_is_global_attention(stride):
    torch.manual_seed(0)
    x, mask = torch.randn(2, 12, 4), torch.arange(12) < torch.tensor([[12], [7]])
    everything = MaskedAttention(4, 2, stride=stride)
    window = MaskedAttention(4, 2, stride=stride, window=25)
    window.load_state_dict(everything.state_dict())
    valid = downsample(mask, stride)
    assert_close(window(x, x, mask)[valid], everything(x, x, mask)[valid])


def test_relative_positions_are_learned_per_head_and_distance():
    attention = MaskedAttention(4, 2, window=5, relative_positions=True)
    assert attention.distance_bias.shape == (2, 5)
    x, mask = torch.randn(1, 9, 4), torch.ones(1, 9, dtype=torch.bool)
    before = attention(x, x, mask)
    with torch.no_grad():
        attention.distance_bias[:, 2] = 50.0  # everybody looks at itself alone
    itself = attention.out(attention.value(x, mask))
    assert not torch.allclose(before, itself, atol=1e-3)
    assert_close(attention(x, x, mask), itself)
    assert MaskedAttention(4, 2, relative_positions=True).distance_bias is None


@pytest.mark.parametrize("window", [-1, 0, 1, 4])
def test_windows_are_odd(window):
    with pytest.raises(UserError, match=f"an attention window of {window} steps: take an odd number from 3 on"):
        MaskedAttention(4, 2, window=window)
