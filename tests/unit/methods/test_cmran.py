from dataclasses import replace

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.testing import assert_close

from avel.decoding.segment import by_relevance
from avel.errors import UserError
from avel.losses.classification import class_loss
from avel.methods.cmran import CMRAN, SpatialChannelAttention
from avel.tasks.loading import load_method
from avel.training.optim import StepRecipe
from tests.unit.methods.clips import C, random_clips

WEAK = {"supervision": "weak"}
SIZES = {"visual_dim": 6, "audio_dim": 4, "dim": 8, "feedforward_dim": 12, "attention_dim": 7, "heads": 2}
STILL = {"dropout": 0.0, "visual_dropout": 0.0}
SUPERVISIONS = pytest.mark.parametrize(
    "options", [{}, *(WEAK | {"loss": kind} for kind in ("cross_entropy", "released", "likelihood"))], ids=str
)


def narrow(seed=0, **changes):
    torch.manual_seed(seed)
    return CMRAN(**{"num_classes": C, **SIZES, **changes})


def rows(batch, part):
    tensors = {name: getattr(batch, name)[part] for name in ("visual", "audio", "labels", "video_labels")}
    return replace(batch, videos=batch.videos[part], **tensors)


@SUPERVISIONS
def test_every_weight_learns(options):
    method = narrow(**options)
    torch.stack([*method.losses(random_clips(count=8)).values()]).sum().backward()
    assert [name for name, p in method.named_parameters() if p.grad is None or not p.grad.any()] == []


@SUPERVISIONS
def test_batch_mates_do_not_matter(options):
    method, batch = narrow(**options).eval(), random_clips()
    with torch.no_grad():
        whole = method(batch)
        parts = [method(rows(batch, part)) for part in (slice(0, 1), slice(1, 4))]
    for together, apart in zip(whole, zip(*parts, strict=True), strict=True):
        assert_close(torch.cat(apart), together)


@SUPERVISIONS
def test_the_order_of_snippets_does_not_matter(options):
    method, batch = narrow(**options).eval(), random_clips()
    with torch.no_grad():
        relevance, video_logits, _ = method(batch)
        moved = method(replace(batch, visual=batch.visual.flip(1), audio=batch.audio.flip(1)))
    assert_close(moved.relevance, relevance.flip(1))
    assert_close(moved.video_logits, video_logits)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 7), (2, 5)])
def test_maps_of_any_size(height, width):
    with torch.no_grad():
        found = narrow().eval().localize(random_clips(height=height, width=width))
    assert found.attention.shape == (4, 5, height, width)
    assert_close(found.attention.sum(dim=(2, 3)), torch.ones(4, 5))
    assert found.attention.min() > 0


def test_attention_follows_the_positions():
    """A map that is shifted is attended to where it went, and its sum stays."""
    torch.manual_seed(0)
    batch, attend = random_clips(), SpatialChannelAttention(6, 4, 7)
    summed, weights = attend(batch.visual, batch.audio)
    moved, moved_weights = attend(batch.visual.roll((1, 2), (2, 3)), batch.audio)
    assert_close(moved, summed)
    assert_close(moved_weights, weights.roll((1, 2), (2, 3)))
    assert weights.std() > 0


def test_full_supervision_learns_from_snippets_and_videos():
    method, batch = narrow(**STILL), random_clips()
    relevance, video_logits, _ = method(batch)
    assert video_logits.shape == (4, C)
    event = (batch.labels < C).float()
    expected = {
        "relevance": binary_cross_entropy_with_logits(relevance, event),
        "classification": cross_entropy(video_logits, batch.video_labels),
    }
    assert_close(method.losses(batch), expected)


def test_clips_without_a_class_teach_the_relevance_alone():
    method, batch = narrow(**STILL), random_clips()
    unlabelled = replace(batch, video_labels=torch.cat([batch.video_labels[:3], torch.tensor([C])]))
    losses, others = method.losses(unlabelled), method.losses(rows(batch, slice(0, 3)))
    assert_close(losses["relevance"], method.losses(batch)["relevance"])
    assert_close(losses["classification"], others["classification"])

    alone = method.losses(rows(unlabelled, slice(3, 4)))
    assert alone["classification"] == 0
    sum(alone.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())
    assert method.relevance.weight.grad.any()


def test_a_clip_without_event_may_have_a_class():
    """Row 26 of AVE: all background, and yet a church bell."""
    method, batch = narrow(**STILL), rows(random_clips(), slice(3, 4))
    assert (batch.labels == C).all()
    assert batch.video_labels < C
    assert method.losses(batch)["classification"] > 0


@pytest.mark.parametrize("kind", ["cross_entropy", "released"])
def test_weak_supervision_learns_from_the_class_of_the_video(kind):
    method, batch = narrow(**STILL, **WEAK, loss=kind), random_clips()
    batch = replace(batch, video_labels=torch.tensor([0, 1, 2, C]))
    relevance, video_logits, _ = method(batch)
    assert video_logits.shape == (4, C + 1)
    pooled = torch.stack([relevance.sigmoid()[:, t, None] * video_logits for t in range(5)]).max(dim=0).values
    expected = {"classification": class_loss(pooled, batch.video_labels, kind)}
    assert_close(method.losses(batch), expected)
    assert_close(method.losses(replace(batch, labels=batch.labels.roll(1))), expected)


def test_likelihood_is_that_of_the_most_relevant_snippet():
    method, batch = narrow(**STILL, **WEAK, loss="likelihood"), random_clips()
    labels = torch.tensor([0, 1, 2, C])
    relevance, video_logits, _ = method(batch)
    event, shares = relevance.sigmoid().amax(dim=1, keepdim=True), video_logits.softmax(dim=1)
    probabilities = event * shares
    probabilities[:, -1:] += 1 - event
    assert_close(probabilities.sum(dim=1), torch.ones(4))
    expected = {"classification": -probabilities.log()[torch.arange(4), labels].mean()}
    assert_close(method.losses(replace(batch, video_labels=labels)), expected)


@SUPERVISIONS
def test_a_single_clip_will_do(options):
    method, batch = narrow(**options), rows(random_clips(), slice(1, 2))
    assert all(loss.isfinite() for loss in method.losses(batch).values())
    assert method.eval().localize(batch).labels.shape == (1, 5)


@SUPERVISIONS
def test_decides_by_relevance(options):
    method, batch = narrow(**options).eval(), random_clips()
    with torch.no_grad():
        output, found = method(batch), method.localize(batch)
    labels, scores = by_relevance(output.relevance, output.video_logits, C)
    assert torch.equal(found.labels, labels)
    assert_close(found.scores, scores)
    assert_close(found.attention, output.attention)


def test_weak_supervision_may_say_background_wherever_an_event_is():
    method = narrow(**WEAK).eval()
    torch.nn.init.constant_(method.relevance.bias, 100.0)
    torch.nn.init.constant_(method.classify.bias[C:], 100.0)
    assert (method.localize(random_clips()).labels == C).all()


def test_dropout_is_where_the_released_code_has_it():
    method = narrow(dropout=0.3, visual_dropout=0.4)
    rates = {name: module.p for name, module in method.named_modules() if isinstance(module, torch.nn.Dropout)}
    assert rates.pop("project.2") == 0.4
    assert set(rates.values()) == {0.3}
    attentions = [module for module in method.modules() if isinstance(module, torch.nn.MultiheadAttention)]
    assert [module.dropout for module in attentions] == [0.3] * 7
    assert len(rates) == 2 * 2 * 3 + 2 * 2 + 1


def test_a_checkpoint_rebuilds_it(tmp_path):
    method = narrow(**WEAK, interaction_heads=1, optimizer=StepRecipe(milestones=(3, 5), clip_norm=0.5))
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "method.ckpt")
    again = load_method(tmp_path / "method.ckpt")
    assert again.hparams == method.hparams
    assert again.recipe == method.recipe
    assert_close(again.state_dict(), method.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"supervision": "half"}, "supervision=half: unknown, choose one of full, weak"),
        ({"loss": "focal"}, "loss=focal: unknown, choose one of cross_entropy, released, likelihood"),
        ({"heads": 3}, "method.heads=3: must divide method.dim=8"),
        ({"heads": 0}, "method.heads=0: must divide method.dim=8"),
        ({"interaction_heads": 16}, "method.interaction_heads=16: must divide method.dim=8"),
    ],
)
def test_options_that_do_not_fit_are_refused(option, message):
    with pytest.raises(UserError, match=message):
        narrow(**option)


def test_vectors_are_refused():
    batch = random_clips()
    with pytest.raises(UserError, match="CMRAN needs visual maps, .* set data.visual=maps"):
        narrow()(replace(batch, visual=batch.visual.mean(dim=(2, 3))))
