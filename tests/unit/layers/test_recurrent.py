import torch
from torch.testing import assert_close

from avel.layers.recurrent import PairedLSTM


def build():
    torch.manual_seed(0)
    return PairedLSTM(5, 3, 4), torch.randn(2, 6, 5), torch.randn(2, 6, 3)


def test_each_modality_has_its_own():
    lstm, visual, audio = build()
    seen, heard = lstm(visual, audio)
    assert seen.shape == heard.shape == (2, 6, 8)
    other_seen, other_heard = lstm(visual, -audio)
    assert_close(other_seen, seen, rtol=0, atol=0)
    assert not torch.isclose(other_heard, heard).all()


def test_half_of_a_state_knows_the_past_and_half_the_future():
    lstm, visual, audio = build()
    changed = visual.clone()
    changed[:, 3] += 1
    seen, other = lstm(visual, audio)[0], lstm(changed, audio)[0]
    forward, backward = (seen == other).all(dim=0).split(4, dim=1)
    assert forward.all(dim=1).tolist() == [True] * 3 + [False] * 3
    assert backward.all(dim=1).tolist() == [False] * 4 + [True] * 2
