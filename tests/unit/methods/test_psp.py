from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy, one_hot
from torch.testing import assert_close

from avel.errors import UserError
from avel.methods.psp import PSP, PositiveSamplePropagation, shares
from tests.unit.methods.clips import C, narrow_on_clips, random_clips

SUPERVISION = ("full", "weak")


def narrow(**options):
    return narrow_on_clips(PSP, **{"psp_dim": 5, "classifier_dim": 6, "threshold": 0.15} | options)


def block(supervision, threshold=0.2, dropout=0.0):
    torch.manual_seed(0)
    return PositiveSamplePropagation(6, 4, threshold=threshold, dropout=dropout, supervision=supervision).double()


def slow_messages(block, keys, values, supervision):
    """What each snippet (keys of its own modality) takes up from the other: snippet by snippet, pair by pair."""
    own, other = keys
    messages = []
    for query in own:
        similarities = [max(float(query @ key) / len(key) ** 0.5, 0.0) for key in other]
        whole = sum(similarities) + 1e-8
        weights = [s / whole if s / whole > block.threshold else 0.0 for s in similarities]
        if supervision == "full":
            weights = [w / (sum(weights) + 1e-8) for w in weights]
        messages.append(sum(w * value for w, value in zip(weights, values, strict=True)))
    return torch.stack(messages)


@pytest.mark.parametrize("supervision", SUPERVISION)
@given(seed=st.integers(0, 99))
def test_propagation_pair_by_pair(supervision, seed):
    layer, generator = block(supervision), torch.Generator().manual_seed(seed)
    visual, audio = torch.randn(2, 1, 5, 6, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        found = layer(visual[None, 0], audio[None, 0])
        keys = layer.visual_key(visual[0]), layer.audio_key(audio[0])
        heard = slow_messages(layer, keys, layer.audio_value(audio[0]), supervision)
        seen = slow_messages(layer, keys[::-1], layer.visual_value(visual[0]), supervision)
        expected = layer.norm(layer.visual_out(visual[0] + heard)), layer.norm(layer.audio_out(audio[0] + seen))
    assert_close([stream[0] for stream in found], list(expected))


def test_a_share_must_be_above_the_threshold():
    share = torch.tensor([[0.25, 0.75], [0.5, 0.5], [0.0, 0.0]], dtype=torch.float64)
    assert block("weak", threshold=0.25).positive(share).tolist() == [[0, 0.75], [0.5, 0.5], [0, 0]]
    assert_close(block("full", threshold=0.25).positive(share)[0], torch.tensor([0.0, 1.0], dtype=torch.float64))


def test_shares_of_nothing_are_nothing():
    assert shares(torch.zeros(2, 3)).tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("supervision", SUPERVISION)
def test_only_training_drops_features(supervision):
    method, batch = narrow(supervision=supervision, dropout=0.5), random_clips()
    with torch.no_grad():
        assert not torch.equal(method.train()(batch).logits, method(batch).logits)
        assert torch.equal(method.eval()(batch).logits, method(batch).logits)


def losses(batch, **options):
    return {name: part.item() for name, part in narrow(dropout=0.0, **options).losses(batch).items()}


def test_full_supervision_weighs_the_pair_similarity():
    batch = random_clips()
    plain, heavy = losses(batch, pair_weight=1.0), losses(batch, pair_weight=7.0)
    assert heavy["classification"] == plain["classification"]
    assert heavy["similarity"] == pytest.approx(7 * plain["similarity"])


def test_stale_targets_come_from_the_mini_batch_before():
    first, second = random_clips(seed=0), random_clips(seed=1)
    clean, stale = (narrow(dropout=0.0, pair_targets=kind) for kind in ("clean", "stale"))
    assert_close(clean.losses(first), stale.losses(first))
    stale.localize(second)  # an evaluation in between leaves nothing behind
    resumed = narrow(dropout=0.0, pair_targets="stale")
    resumed.load_state_dict(stale.state_dict())
    for method in (stale, resumed):
        assert abs(method.losses(second)["similarity"] - clean.losses(second)["similarity"]) > 0.01
    assert_close(stale.losses(first), resumed.losses(first))


def test_weak_supervision_learns_from_the_mean_over_time():
    method, batch = narrow(supervision="weak", dropout=0.0), random_clips()
    expected = binary_cross_entropy(
        method(batch).logits.mean(dim=1).softmax(dim=-1), one_hot(batch.video_labels, C + 1).float()
    )
    assert_close(method.losses(batch), {"classification": expected})


@pytest.mark.parametrize(("target", "tells_snippets"), [("class", False), ("proportion", True)])
def test_only_proportions_tell_how_long_the_event_lasts(target, tells_snippets):
    method, batch = narrow(supervision="weak", video_target=target), random_clips()
    other = replace(batch, labels=torch.full_like(batch.labels, C))
    assert (not torch.equal(method.video_shares(batch), method.video_shares(other))) == tells_snippets
    assert_close(method.video_shares(batch).sum(dim=1), torch.ones(4))
    assert method.video_shares(batch)[0].tolist() == one_hot(batch.video_labels[0], C + 1).tolist()


def test_weak_supervision_weighs_each_snippet_between_a_half_and_one():
    method, batch = narrow(supervision="weak").eval(), random_clips()
    with torch.inference_mode():
        torch.nn.init.zeros_(method.weigh.weight)
        half = method(batch).logits
        method.weigh.weight.copy_(1e6 * half[0, :1])  # opens the branch for the first snippet
        factor = method(batch).logits / half
    assert_close(factor, factor[..., :1].expand_as(factor))
    assert_close(factor[0, 0], torch.full((C + 1,), 2.0))
    assert ((factor > 1 - 1e-5) & (factor < 2 + 1e-5)).all()


@pytest.mark.parametrize("supervision", SUPERVISION)
def test_decides_for_the_best_class(supervision):
    method, batch = narrow(supervision=supervision).eval(), random_clips()
    prediction = method.localize(batch)
    assert torch.equal(prediction.labels, method(batch).logits.argmax(dim=-1))
    assert prediction.scores.shape == (4, 5, C)
    assert_close(prediction.attention.sum(dim=(2, 3)), torch.ones(4, 5))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"supervision": "half"}, "supervision=half: unknown, choose one of full, weak"),
        ({"pair_targets": "old"}, "pair_targets=old: unknown, choose one of clean, stale"),
        ({"video_target": "labels"}, "video_target=labels: unknown, choose one of class, proportion"),
    ],
)
def test_unknown_options_are_refused(option, message):
    with pytest.raises(UserError, match=message):
        narrow(**option)
