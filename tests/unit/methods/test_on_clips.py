"""What holds for every method that the audio-guided attention belongs to."""

import pytest
import torch
from torch.testing import assert_close

from avel.methods.av_att import AVAtt
from avel.methods.dmrn import DMRN
from avel.methods.psp import PSP
from avel.tasks.loading import load_method
from avel.training.optim import StepRecipe
from tests.unit.methods.clips import narrow_on_clips, random_clips

METHODS = [
    (AVAtt, {}),
    (AVAtt, {"supervision": "weak", "loss": "released", "audio_axis": "positions"}),
    (DMRN, {"fusion_blocks": 2, "swap_streams": True}),
    (PSP, {"pair_targets": "stale", "optimizer": StepRecipe(milestones=(3, 5))}),
    (PSP, {"supervision": "weak", "video_target": "proportion"}),
]


@pytest.mark.parametrize(("kind", "options"), METHODS)
def test_a_checkpoint_rebuilds_its_method(kind, options, tmp_path):
    method = narrow_on_clips(kind, **options)
    method.losses(random_clips())
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "method.ckpt")
    again = load_method(tmp_path / "method.ckpt")
    assert type(again) is kind
    assert again.hparams == method.hparams
    assert again.recipe == method.recipe
    assert_close(again.state_dict(), method.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "options"), METHODS)
def test_batch_mates_do_not_matter(kind, options):
    method, batch = narrow_on_clips(kind, **options).eval(), random_clips()
    halves = [random_clips() for _ in range(2)]
    for half, rows in zip(halves, (slice(0, 1), slice(1, 4)), strict=True):
        half.visual, half.audio = batch.visual[rows], batch.audio[rows]
    with torch.inference_mode():
        assert_close(torch.cat([method(half).logits for half in halves]), method(batch).logits)


@pytest.mark.parametrize(("kind", "options"), METHODS)
def test_every_weight_learns(kind, options):
    method = narrow_on_clips(kind, **options)
    torch.stack([*method.losses(random_clips(count=8)).values()]).sum().backward()
    still = [name for name, p in method.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in still if name != "weigh.weight"] == []  # the branch may be closed for all snippets
