import math

import torch
from torch.testing import assert_close

from avel.layers.heads import HeadConfig
from avel.layers.prompts import PromptClassifier

CONFIG = HeadConfig(dim=6, layers=2)


def classifier():
    torch.manual_seed(0)
    head = PromptClassifier(5, 4, {"actions": 2, "sounds": 3}, CONFIG)
    head.set_prompts("actions", torch.randn(2, 4))
    head.set_prompts("sounds", torch.randn(3, 4))
    return head


def levels():
    mask = torch.tensor([[True, True, True, False]])
    return [torch.randn(1, 4, 5), torch.randn(1, 2, 5)], [mask, mask[:, ::2]]


def test_logits_are_scaled_cosines_and_exactly_zero_at_padding():
    head, (features, masks) = classifier(), levels()
    logits = head(features, masks, "sounds")
    assert logits.shape == (1, 6, 3)
    seen = head.visual(head.hidden(features[1], masks[1]), masks[1])
    spoken = head.text(head.prompts("sounds"))
    expected = torch.cosine_similarity(seen[:, :, None], spoken, dim=3) / 0.07
    assert_close(logits[:, 4:], expected)
    assert logits[0, 3].tolist() == [0, 0, 0]
    assert logits.abs().max() <= 1 / 0.07 + 1e-4
    logits.sum().backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())


def test_the_temperature_is_learned_and_one_for_all_tasks():
    head, (features, masks) = classifier(), levels()
    before = [head(features, masks, task) for task in ("actions", "sounds")]
    head.logit_scale.data -= math.log(2)
    after = [head(features, masks, task) for task in ("actions", "sounds")]
    for x, y in zip(before, after, strict=True):
        assert_close(x, 2 * y)


def test_other_prompts_are_other_classes_and_part_of_the_state():
    head, (features, masks) = classifier(), levels()
    sounds = head(features, masks, "sounds")
    head.set_prompts("actions", head.prompts("sounds")[[2, 0, 1, 2]])
    assert_close(head(features, masks, "actions"), sounds[..., [2, 0, 1, 2]])
    assert head.state_dict()["prompts_actions"].shape == (4, 4)
