import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from avel.errors import UserError
from avel.layers.audio_guided import AudioGuidedAttention

AXES = ("channels", "positions")
size = st.integers(1, 4)


def build(positions, audio_axis="channels", seed=0):
    torch.manual_seed(seed)
    return AudioGuidedAttention(5, 3, positions=positions, dim=7, audio_axis=audio_axis).double()


def inputs(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2, 3, height, width, 5), (2, 3, 3))
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def slow(layer, visual, audio, audio_axis):
    """One snippet, visual (P, D) and audio (D_audio,), number by number: its weights."""
    seen = [layer.visual_out(layer.visual(place).relu()) for place in visual]
    heard = layer.audio_out(layer.audio(audio).relu())
    scores = []
    for p, row in enumerate(seen):
        added = [heard[c if audio_axis == "channels" else p] for c in range(len(row))]
        scores.append(sum(w * torch.tanh(s + a) for w, s, a in zip(layer.score.weight[0], row, added, strict=True)))
    return torch.stack(scores).softmax(dim=0)


@given(height=size, width=size, audio_axis=st.sampled_from(AXES), seed=st.integers(0, 99))
def test_weights_are_the_formula_and_sum_up_the_raw_features(height, width, audio_axis, seed):
    layer, (visual, audio) = build(height * width, audio_axis, seed), inputs(height, width, seed)
    with torch.no_grad():
        attended, attention = layer(visual, audio)
        expected = slow(layer, visual[1, 2].flatten(0, 1), audio[1, 2], audio_axis)
    assert attention.shape == (2, 3, height, width)
    assert_close(attention.sum(dim=(2, 3)), torch.ones(2, 3, dtype=torch.float64))
    assert_close(attention[1, 2].flatten(), expected)
    assert_close(attended, torch.einsum("bthw,bthwd->btd", attention, visual))


def test_on_channels_the_content_counts_and_not_its_place():
    layer, (visual, audio) = build(6), inputs(2, 3)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    moved = visual.flatten(2, 3)[:, :, order].unflatten(2, (2, 3))
    (attended, attention), (attended_moved, attention_moved) = layer(visual, audio), layer(moved, audio)
    assert_close(attention_moved.flatten(2), attention.flatten(2)[:, :, order])
    assert_close(attended_moved, attended)


@pytest.mark.parametrize(("audio_axis", "chooses"), [("channels", False), ("positions", True)])
def test_only_on_positions_sound_chooses_among_equal_places(audio_axis, chooses):
    _, audio = inputs(2, 3)
    _, attention = build(6, audio_axis)(torch.ones(2, 3, 2, 3, 5, dtype=torch.float64), audio)
    assert (attention.std(dim=(2, 3)).max() > 1e-3) == chooses


@pytest.mark.parametrize("audio_axis", AXES)
def test_sound_guides(audio_axis):
    layer, (visual, audio) = build(6, audio_axis), inputs(2, 3)
    assert (layer(visual, audio)[1] - layer(visual, -audio)[1]).abs().max() > 1e-3


def test_the_weights_fit_both_axes():
    build(6, "positions").load_state_dict(build(6, "channels").state_dict())


@pytest.mark.parametrize(
    ("shape", "found"), [((2, 3, 4, 4, 5), "4 x 4 x 5"), ((2, 3, 5), "5"), ((2, 3, 49, 5), "49 x 5")]
)
def test_other_maps_and_vectors_are_refused(shape, found):
    with pytest.raises(UserError, match=f"method.positions=49, but the visual features of a snippet are {found}: "):
        build(49)(torch.zeros(shape, dtype=torch.float64), torch.zeros(2, 3, 3, dtype=torch.float64))


def test_an_unknown_axis_is_refused():
    with pytest.raises(UserError, match="audio_axis=time: unknown, choose one of channels, positions"):
        build(6, "time")
