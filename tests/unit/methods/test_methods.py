import pytest

from avel.decoding.dense import DenseDecoder
from avel.errors import UserError
from avel.layers.pyramid import PyramidConfig
from avel.losses.dense import DenseLossConfig
from avel.methods.ccnet import CCNet
from avel.methods.unav import UnAV
from tests.unit.methods.narrow import narrow


@pytest.mark.parametrize("longest", [1, 7, 8, 9, 31, 32])
def test_unav_leaves_one_padded_step_on_every_level(longest):
    method = narrow(UnAV)
    length = method.padded_length(longest)
    assert length % method.stride == 0
    for level in range(3):
        valid = -(-longest // 2**level)
        assert length == 32 or length // 2**level > valid


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: narrow(UnAV, row_mask="foo"), "row_mask=foo: unknown, choose one of per_video, released"),
        (lambda: narrow(CCNet, gate_mask="foo"), "gate_mask=foo: unknown, choose one of valid_keys, released"),
        (lambda: DenseDecoder(nms="hrd"), "decoder.nms=hrd: unknown, choose one of soft, hard, none"),
        (lambda: DenseDecoder(voting_weight="iou"), "decoder.voting_weight=iou: unknown, choose one of score, score_"),
        (lambda: DenseLossConfig(centre_radius=0), "method.loss.centre_radius=0: give a number above 0, or null"),
        (lambda: DenseLossConfig(same_class="first"), "loss.same_class=first: unknown, choose one of shortest, last"),
        (lambda: PyramidConfig(dim=5, heads=2), "method.pyramid.heads=2: must divide method.pyramid.dim=5"),
    ],
)
def test_unknown_options_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        change()


@pytest.mark.parametrize("kind", [UnAV, CCNet])
def test_where_videos_are_classified_by_others_there_is_one_class(kind):
    method = narrow(kind, decoder=DenseDecoder(class_scores="scores.json"))
    assert method.num_classes == method.classify.out.conv.out_channels == 1
    assert method.regress.out.conv.out_channels == 2


def test_a_length_that_does_not_fit_the_pyramid_is_refused():
    with pytest.raises(UserError, match="max_length=30: 3 pyramid levels need a multiple of 4"):
        narrow(UnAV, max_length=30)
