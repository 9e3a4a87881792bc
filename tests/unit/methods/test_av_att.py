from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from avel.errors import UserError
from avel.losses.classification import class_loss
from avel.methods.av_att import AVAtt
from tests.unit.methods.clips import C, narrow_on_clips, random_clips


def test_decides_for_the_best_class_and_says_where_it_looked():
    method, batch = narrow_on_clips(AVAtt).eval(), random_clips()
    with torch.inference_mode():
        output, prediction = method(batch), method.localize(batch)
    assert output.logits.shape == (4, 5, C + 1)
    assert torch.equal(prediction.labels, output.logits.argmax(dim=-1))
    assert_close(prediction.scores, output.logits.softmax(dim=-1)[..., :C])
    assert_close(prediction.attention, output.attention)
    assert prediction.attention.shape == (4, 5, 2, 3)


@pytest.mark.parametrize("kind", ["cross_entropy", "released"])
def test_full_supervision_learns_from_snippets(kind):
    method, batch = narrow_on_clips(AVAtt, loss=kind), random_clips()
    expected = class_loss(method(batch).logits, batch.labels, kind)
    assert_close(method.losses(batch), {"classification": expected})
    assert_close(method.losses(replace(batch, video_labels=batch.video_labels.roll(1))), {"classification": expected})


@pytest.mark.parametrize("kind", ["cross_entropy", "released"])
def test_weak_supervision_learns_from_the_most_telling_snippet(kind):
    method, batch = narrow_on_clips(AVAtt, supervision="weak", loss=kind), random_clips()
    expected = class_loss(method(batch).logits.max(dim=1).values, batch.video_labels, kind)
    assert_close(method.losses(batch), {"classification": expected})
    assert_close(method.losses(replace(batch, labels=batch.labels.roll(1))), {"classification": expected})


def test_linear_weights_start_xavier_uniform():
    method = narrow_on_clips(AVAtt, attention_dim=300, lstm_dim=50)
    for layer in (method.attention.visual, method.attention.audio_out, method.hidden):
        bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert 0.95 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"supervision": "half"}, "supervision=half: unknown, choose one of full, weak"),
        ({"loss": "focal"}, "loss=focal: unknown, choose one of cross_entropy, released"),
        ({"audio_axis": "time"}, "audio_axis=time: unknown, choose one of channels, positions"),
    ],
)
def test_unknown_options_are_refused(option, message):
    with pytest.raises(UserError, match=message):
        narrow_on_clips(AVAtt, **option)
