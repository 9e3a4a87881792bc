"""What every method computes in bfloat16 is what it computes in float32, but for rounding; times are not rounded."""

import copy

import pytest
import torch
from torch.testing import assert_close

from avel.batch import DensePrediction, TimeGrid
from avel.decoding.dense import DenseDecoder
from avel.layers.position import SinusoidalPosition
from avel.methods.av_att import AVAtt
from avel.methods.avdln import AVDLN
from avel.methods.ccnet import CCNet
from avel.methods.dmrn import DMRN
from avel.methods.psp import PSP
from avel.methods.unav import UnAV
from avel.segments.points import default_ranges, pyramid_points
from tests.unit.methods import test_actionformer, test_uniav
from tests.unit.methods.clips import narrow_on_clips, random_clips
from tests.unit.methods.narrow import narrow
from tests.unit.methods.test_cmran import narrow as narrow_cmran

DENSE = {
    "unav": lambda: narrow(UnAV),
    "ccnet": lambda: narrow(CCNet),
    "actionformer": test_actionformer.narrow,
    "actionformer with global attention": lambda: test_actionformer.narrow("global"),
    "uniav": test_uniav.narrow,
}
CLIPS = {
    "av_att": lambda: narrow_on_clips(AVAtt),
    "av_att weak": lambda: narrow_on_clips(AVAtt, supervision="weak", loss="released"),
    "dmrn": lambda: narrow_on_clips(DMRN, loss="released"),
    "psp": lambda: narrow_on_clips(PSP),
    "psp weak": lambda: narrow_on_clips(PSP, supervision="weak"),
    "cmran": narrow_cmran,
    "cmran weak": lambda: narrow_cmran(supervision="weak"),
    "cmran likelihood": lambda: narrow_cmran(supervision="weak", loss="likelihood"),
    "avdln": lambda: AVDLN(num_classes=3, visual_dim=6, audio_dim=4),
}


def half_precision():
    return torch.autocast("cpu", torch.bfloat16)


def losses(method, batch):
    """The total loss in float32 and in bfloat16, the gradients of the latter checked."""
    exact = total(copy.deepcopy(method).losses(batch))  # which moves normalizers on
    with half_precision():
        rounded = total(method.losses(batch))
    rounded.backward()
    assert rounded.dtype == torch.float32
    assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)
    return exact, rounded


def total(found):
    return torch.stack([*found.values()]).sum() if isinstance(found, dict) else found.total


@pytest.mark.parametrize("name", DENSE)
def test_dense_methods_in_half_precision(name):
    torch.manual_seed(0)
    method, batch = DENSE[name]().eval(), test_uniav.batch("actions", 20, 9)
    exact, rounded = losses(method, batch)
    assert_close(rounded, exact, rtol=0.02, atol=0)
    with half_precision(), torch.no_grad():
        prediction = method(method.padded(batch))
    assert (prediction.logits.dtype, prediction.offsets.dtype) == (torch.float32, torch.float32)


@pytest.mark.parametrize("name", CLIPS)
def test_methods_on_clips_in_half_precision(name):
    torch.manual_seed(0)
    method, batch = CLIPS[name]().eval(), random_clips()
    exact, rounded = losses(method, batch)
    assert_close(rounded, exact, rtol=0.02, atol=0)
    if name != "avdln":
        with half_precision(), torch.no_grad():
            scores = method.decide(batch).scores
        assert_close(scores, method.decide(batch).scores, rtol=0, atol=0.02)


@pytest.mark.parametrize("per_class", [True, False], ids=["by class", "with voting"])
def test_the_same_scores_and_offsets_are_the_same_events_to_the_last_digit(per_class):
    generator = torch.Generator().manual_seed(0)
    points = pyramid_points(1024, default_ranges(3))
    count = len(points.position)
    prediction = DensePrediction(
        torch.randn(1, count, 3, generator=generator) - 2,
        6 * torch.rand(1, count, 3, 2, generator=generator),
        torch.ones(1, count, dtype=torch.bool),
    )
    decoder, grid = DenseDecoder(per_class=per_class), TimeGrid(fps=16, stride=4, window=16)
    videos = torch.tensor([1e4], dtype=torch.float64), [grid]
    (exact,) = decoder.detect(decoder.candidates(prediction, points), *videos)
    with half_precision():
        (found,) = decoder.detect(decoder.candidates(prediction, points), *videos)
    assert len(exact.scores) == 100
    for name in ("segments", "scores", "labels"):
        assert_close(getattr(found, name), getattr(exact, name), rtol=0, atol=0)


def test_positions_are_not_rounded():
    position = SinusoidalPosition(8, 2048)
    x = torch.zeros(1, 2048, 8, dtype=torch.bfloat16)
    with half_precision():
        found = position(x, torch.ones(1, 2048, dtype=torch.bool))
    assert_close(found[0], position.table, rtol=0, atol=0)


def test_unlike_snippets_in_float16_are_no_division_by_zero():
    propagate = narrow_on_clips(PSP).propagate
    propagate.visual_key[0].weight.data.zero_()
    clips = torch.rand(2, 5, 8)
    with torch.autocast("cpu", torch.float16):
        assert all(features.isfinite().all() for features in propagate(clips, clips))
