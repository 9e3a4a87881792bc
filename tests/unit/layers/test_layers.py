import math

import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from avel.errors import UserError
from avel.layers.attention import MaskedAttention
from avel.layers.dependency import DependencyBranches
from avel.layers.drop import NO_DROP, AffineDropPath, Residual
from avel.layers.heads import ClassificationHead, HeadConfig, RegressionHead
from avel.layers.levels import JoinedLevels
from avel.layers.masked import MaskedConv1d, MaskedDepthwiseConv1d, downsample, max_pool
from avel.layers.position import SinusoidalPosition, sinusoids
from avel.layers.pyramid import AudioVisualPyramid, PyramidConfig
from avel.layers.transformer import AttentionBlock


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def mask_of(*lengths, size):
    return torch.arange(size) < torch.tensor(lengths)[:, None]


def test_convolution_is_zero_at_padded_steps_and_halves_the_time_axis():
    mask = mask_of(8, 3, size=8)
    out = MaskedConv1d(4, 6)(torch.randn(2, 8, 4), mask)
    assert out.shape == (2, 8, 6)
    assert out[1, 3:].abs().sum() == 0
    out = MaskedDepthwiseConv1d(4, stride=2)(torch.randn(2, 8, 4), mask)
    assert out.shape == (2, 4, 4)
    assert torch.equal(downsample(mask, 2), mask_of(4, 2, size=4))
    assert out[1, 2:].abs().sum() == 0
    assert out[1, :2].abs().min() > 0


def test_convolutions_with_a_stride_or_a_bias_are_silent_at_padding_too():
    x, mask = torch.randn(2, 8, 4), mask_of(8, 3, size=8)
    strided = MaskedConv1d(4, 6, stride=2)
    expected = functional.conv1d(x.mT, strided.conv.weight, stride=2, padding=1).mT * mask_of(4, 2, size=4)[..., None]
    assert_close(strided(x, mask), expected)
    biased = MaskedDepthwiseConv1d(4, bias=True)
    before = biased(x, mask)
    torch.nn.init.ones_(biased.conv.bias)
    assert_close(biased(x, mask), before + mask[..., None])


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_convolution_equals_its_definition(stride):
    conv, x, mask = MaskedDepthwiseConv1d(5, stride), torch.randn(2, 8, 5), mask_of(8, 8, size=8)
    expected = functional.conv1d(x.mT, conv.conv.weight.squeeze(2), stride=stride, padding=1, groups=5).mT
    assert_close(conv(x, mask), expected)


def test_a_depthwise_gradient_lies_in_memory_as_its_weight_does():
    conv = MaskedDepthwiseConv1d(5)
    conv(torch.randn(2, 8, 5), None).sum().backward()
    assert conv.conv.weight.grad.stride() == conv.conv.weight.stride()


def test_max_pool_looks_at_three_steps():
    x = torch.tensor([0.0, 5, 1, 2, -3, -4])[None, :, None]
    assert max_pool(x, 2).flatten().tolist() == [5, 5, 2]
    assert max_pool(x, 1) is x


@pytest.mark.parametrize("stride", [1, 2])
def test_attention_equals_its_definition(stride):
    attention = MaskedAttention(6, 2, stride=stride)
    kv, query, mask = torch.randn(2, 8, 6), torch.randn(2, 8, 6), mask_of(8, 5, size=8)
    valid = downsample(mask, stride)
    q, k, v = attention.query(query, mask), attention.key(kv, mask), attention.value(kv, mask)
    heads = []
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        scores = q[..., part] @ k[..., part].mT / math.sqrt(3)
        weights = scores.masked_fill(~valid[:, None], -math.inf).softmax(dim=2)
        heads.append(weights @ v[..., part])
    expected = attention.out(torch.cat(heads, dim=2))
    assert_close(attention(kv, query, mask)[valid], expected[valid])


def test_attention_without_key_mask_gives_padded_keys_weight_but_no_value():
    attention = MaskedAttention(4, 1, mask_keys=False)
    x, mask = torch.randn(1, 4, 4), mask_of(2, size=4)
    weights = (attention.query(x, mask) @ attention.key(x, mask).mT / 2).softmax(dim=2)
    expected = attention.out(weights @ (attention.value(x, mask) * mask[..., None]))
    assert_close(attention(x, x, mask)[mask], expected[mask])


def test_block_ignores_what_padding_holds_and_zeroes_padded_rows():
    block = AttentionBlock(4, 2, residual=Residual(0.1)).eval()
    mask = mask_of(5, size=8)
    x = torch.randn(1, 8, 4)
    other = x.clone()
    other[:, 6:] = 7.0  # one padded step stays: its neighbours see it through the convolutions
    refined = block(x, x, mask)
    assert_close(refined[:, :5], block(other, other, mask)[:, :5])
    assert refined[:, 5:].abs().sum() == 0
    assert_close(block(x, x, None), block(x, x, torch.ones_like(mask)))


@pytest.mark.parametrize("masked", [True, False])
def test_joined_levels_are_refined_each_for_itself(masked):
    block = AttentionBlock(4, 2)
    levels, masks = [torch.randn(2, length, 4) for length in (8, 4, 2)], [mask_of(7, 5, size=8)]
    masks += [downsample(masks[0], 2), downsample(masks[0], 4)]
    joined = JoinedLevels.of(masks)
    x, mask = joined.join(levels), joined.join(masks) if masked else None
    each = [block(x, x, mask if masked else None) for x, mask in zip(levels, masks, strict=True)]
    for refined, expected in zip(joined.split(block(x, x, mask, joined=joined)), each, strict=True):
        assert_close(refined, expected)


def test_tied_norms_are_one_norm_for_both_inputs():
    tied, free = AttentionBlock(4, 2, tied_norms=True), AttentionBlock(4, 2)
    free.load_state_dict(tied.state_dict(), strict=False)
    x, mask = torch.randn(1, 5, 4), mask_of(5, size=5)
    assert_close(tied(x, x, mask), free(x, x, mask))
    torch.nn.init.constant_(tied.norm_kv.weight, 2.0)
    for norm in (free.norm_kv, free.norm_query):
        torch.nn.init.constant_(norm.weight, 2.0)
    assert_close(tied(x, x, mask), free(x, x, mask))


def test_experts_share_attention_and_nothing_behind_it():
    tasks = ("actions", "sounds")
    block, plain = AttentionBlock(4, 2, tasks=tasks), AttentionBlock(4, 2)
    x, mask = torch.randn(1, 5, 4), mask_of(5, size=5)
    for task in tasks:
        own = {name.replace(f".{task}", ""): tensor for name, tensor in block.state_dict().items()}
        plain.load_state_dict({name: own[name] for name in plain.state_dict()})
        assert_close(block(x, x, mask, task), plain(x, x, mask))
    block(x, x, mask, "sounds").sum().backward()
    silent = {name.split(".")[1] for name, p in block.named_parameters() if p.grad is None}
    assert silent == {"actions"}


def test_pyramid_asks_the_experts_of_one_task():
    config = PyramidConfig(dim=4, heads=2, stem_layers=1, levels=2)
    pyramid = AudioVisualPyramid(5, 3, 8, config, tasks=("actions", "sounds")).eval()
    inputs = torch.randn(1, 8, 5), torch.randn(1, 8, 3), mask_of(8, size=8)
    before, _ = pyramid(*inputs, "actions")
    for name, parameter in pyramid.named_parameters():
        if ".sounds." in name:
            torch.nn.init.zeros_(parameter)
    after, _ = pyramid(*inputs, "actions")
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
    assert not torch.equal(after[0], pyramid(*inputs, "sounds")[0][0])


def test_a_regression_head_of_several_tasks_shares_all_but_its_output():
    head = RegressionHead(5, {"actions": None, "sounds": 3}, 1, HeadConfig(dim=6, layers=2))
    levels = [torch.randn(2, 4, 5)], [mask_of(4, 2, size=4)]
    assert head(*levels, "actions").shape == (2, 4, 2)
    sounds = head(*levels, "sounds")
    assert sounds.shape == (2, 4, 3, 2)
    head.replace_classes("sounds", torch.tensor([2, 0, 0, 2]))
    assert_close(head(*levels, "sounds"), sounds[:, :, [2, 0, 0, 2]])


def test_drop_path_scales_keeps_the_mean_and_drops_whole_samples():
    drop, skip, last = AffineDropPath(3, Residual(0.25, 2.0)), torch.randn(4000, 2, 3), torch.nn.Linear(5, 3)
    x = torch.randn(1, 2, 5).expand(4000, -1, -1)
    branch = 2 * last(x)
    assert_close(drop.eval()(skip, x, last), skip + branch)
    share = (drop.train()(skip, x, last) - skip) / branch
    per_sample = share.flatten(1)
    assert_close(per_sample, per_sample[:, :1].expand_as(per_sample), rtol=1e-3, atol=1e-3)
    assert share.mean().item() == pytest.approx(1.0, rel=0.05)
    plain = AffineDropPath(3, NO_DROP)
    assert not list(plain.parameters())
    assert_close(plain(skip, x, last), skip + last(x))


def test_a_block_that_is_computed_again_has_the_same_gradients():
    block = AttentionBlock(4, 2, residual=Residual(0.5, 1.0))
    x, mask = torch.randn(8, 5, 4), mask_of(5, 5, 4, 3, 5, 5, 2, 5, size=5)
    gradients = []
    for block.recompute in (False, True):
        torch.manual_seed(1)  # drops are repeated
        gradients.append(torch.autograd.grad(block(x, x, mask).square().sum(), list(block.parameters())))
    for kept, computed_again in zip(*gradients, strict=True):
        assert_close(kept, computed_again)


def test_positions_are_sinusoids_and_stretch_beyond_the_table():
    table = sinusoids(8, 4)
    assert_close(table[3], torch.tensor([math.sin(3), math.cos(3), math.sin(0.03), math.cos(0.03)]))
    position = SinusoidalPosition(4, 8)
    zeros, mask = torch.zeros(1, 16, 4), mask_of(15, size=16)
    stretched = position(zeros, mask)
    assert stretched[0, 15].abs().sum() == 0
    assert_close(stretched[0, 1], (0.75 * table[0] + 0.25 * table[1]) / 2)
    assert_close(position(zeros[:, :5], mask[:, :5])[0], table[:5] / 2)
    compressed = position(zeros[:, :4], mask[:, :4], whole_table=True)
    assert_close(compressed[0], (table[::2] + table[1::2]) / 4)
    assert_close(position(zeros[:, :8], mask[:, :8], whole_table=True)[0], table / 2)


def test_pyramid_halves_levels_and_lets_gates_amplify_the_other_modality():
    config = PyramidConfig(dim=4, heads=2, stem_layers=1, levels=3)
    plain = AudioVisualPyramid(5, 3, 8, config).eval()

    class Half(torch.nn.Module):
        def __init__(self, stride):
            super().__init__()
            self.stride = stride

        def forward(self, x, mask):
            return torch.full((len(x), x.shape[1] // self.stride, 1), 0.5)

    gated = AudioVisualPyramid(5, 3, 8, config, Half).eval()
    gated.load_state_dict(plain.state_dict())
    inputs = torch.randn(2, 8, 5), torch.randn(2, 8, 3), mask_of(8, 5, size=8)
    features, masks = plain(*inputs)
    assert [f.shape for f in features] == [(2, 8, 8), (2, 4, 8), (2, 2, 8)]
    assert [m.sum().item() for m in masks] == [13, 7, 4]
    assert_close(gated(*inputs)[0][0], 1.5 * features[0])


@pytest.mark.parametrize(("row_mask", "independent"), [("per_video", True), ("released", False)])
def test_dependencies_of_a_video_and_its_batch_mates(row_mask, independent):
    branches = DependencyBranches(4, residual=NO_DROP, row_mask=row_mask)
    x, mask = torch.randn(2, 6, 3, 4), mask_of(6, 3, size=6)
    x = x * mask[..., None, None]
    together, alone = branches(x, mask)[1:, :3], branches(x[1:], mask[1:])[:, :3]
    assert torch.allclose(together, alone, atol=1e-6) == independent


def test_classes_without_training_events_start_almost_impossible():
    head = ClassificationHead(5, 4, HeadConfig(dim=6, prior=0.01, empty_classes=(1, 3)))
    expected = torch.tensor([0.01, 1e-6, 0.01, 1e-6])
    assert_close(head.out.conv.bias.sigmoid(), expected)
    with pytest.raises(UserError, match=r"method.head.empty_classes=\[4\]: ids are 0 to 3"):
        ClassificationHead(5, 4, HeadConfig(empty_classes=(4,)))


@pytest.mark.parametrize("class_aware", [True, False])
def test_heads_start_from_the_prior_and_are_silent_at_padding(class_aware):
    config = HeadConfig(dim=6, layers=2, class_aware=class_aware, prior=0.01)
    features, masks = (
        [torch.randn(2, 4, 5), torch.randn(2, 2, 5)],
        [mask_of(4, 2, size=4), mask_of(2, 1, size=2)],
    )
    valid = torch.cat(masks, dim=1)
    head = ClassificationHead(5, 3, config)
    torch.nn.init.zeros_(head.out.conv.weight)
    probabilities = head(features, masks).sigmoid()
    assert_close(probabilities[valid], torch.full_like(probabilities[valid], 0.01))
    assert_close(probabilities[~valid], torch.full_like(probabilities[~valid], 0.5))
    offsets = RegressionHead(5, 3, 2, config)(features, masks)
    assert offsets.shape == ((2, 6, 3, 2) if class_aware else (2, 6, 2))
    assert offsets.min() >= 0
    assert offsets[~valid].abs().sum() == 0


def test_a_pyramid_of_two_modalities_needs_both():
    with pytest.raises(UserError, match="data.audio_dim=0: this method sees and hears"):
        AudioVisualPyramid(4, 0, 64, PyramidConfig(dim=8, heads=2))
