import pytest
import torch

from avel.checkpoints.official import ACTIONFORMER, CCNET, SHOWN, UNAV, UNIAV, convert, rename
from avel.errors import UserError


@pytest.mark.parametrize(
    ("table", "released", "ours"),
    [
        (UNAV, "module.backbone.embd_V.0.conv.weight", "pyramid.visual_stem.embedding.convs.0.conv.weight"),
        (UNAV, "backbone.cross_att_Av.3.mlp.3.bias", "pyramid.audio_levels.4.mlp.2.bias"),
        (UNAV, "backbone.ori_cross_att_Va.attn.key.bias", "pyramid.visual_levels.0.attention.key.linear.bias"),
        (
            CCNET,
            "backbone.audio_TCG.2.query_conv.conv.weight",
            "pyramid.audio_gates.2.attention.query.conv.conv.weight",
        ),
        (ACTIONFORMER, "module.backbone.stem.0.attn.rel_pe", "pyramid.stem.0.block.attention.distance_bias"),
        (ACTIONFORMER, "backbone.branch.4.ln1.weight", "pyramid.levels.4.block.norm_kv.weight"),
        (ACTIONFORMER, "backbone.branch.1.downsample.conv.bias", "pyramid.levels.1.skip.conv.bias"),
        (ACTIONFORMER, "neck.lateral_convs.2.conv.weight", "neck.laterals.2.conv.weight"),
        (UNIAV, "module.cls_head.clip_proj.bias", "classify.text.bias"),
        (UNIAV, "backbone.cross_att_Av.0.mlp_SED.3.weight", "pyramid.audio_levels.1.mlp.desed.2.weight"),
        (UNIAV, "backbone.self_att_V.1.ln2_TAL.bias", "pyramid.visual_stem.blocks.1.norm_mlp.activitynet13.bias"),
        (UNIAV, "reg_head.offset_head.TASK2.conv.bias", "regress.out.unav100.conv.bias"),
        (CCNET, "MTGC_block.feature_tem_block.5.bias", "collaboration.levels.5.to_classes.bias"),
        (CCNET, "reg_head.scale.1.scale", "regress.scales.1.scale"),
    ],
)
def test_names(table, released, ours):
    assert rename(released, table) == ours


def test_point_wise_convolutions_become_linear_maps():
    ours = {"classify.out.conv.bias": torch.zeros(3), "regress.hidden.norms.0.weight": torch.zeros(4)}
    released = {"cls_head.cls_head.conv.bias": torch.arange(3.0), "reg_head.norm.0.weight": torch.ones(1, 4, 1)}
    state = convert(released, UNAV, ours | {"criterion.normalizer": torch.zeros(())})
    assert state["classify.out.conv.bias"].tolist() == [0, 1, 2]
    assert state["regress.hidden.norms.0.weight"].shape == (4,)


def test_what_does_not_fit_is_named():
    with pytest.raises(UserError, match=r"1 tensors do not fit:\n  head.weight has no counterpart"):
        convert({"head.weight": torch.zeros(1)}, UNAV, {})
    with pytest.raises(UserError, match="classify.out.conv.bias is missing"):
        convert({}, UNAV, {"classify.out.conv.bias": torch.zeros(5)})
    twins = {"cls_head.cls_head.conv.bias": torch.zeros(5), "module.cls_head.cls_head.conv.bias": torch.zeros(5)}
    with pytest.raises(UserError, match="is the second one for classify.out.conv.bias"):
        convert(twins, UNAV, {"classify.out.conv.bias": torch.zeros(5)})
    ours = {"classify.out.conv.bias": torch.zeros(5)}
    with pytest.raises(UserError, match=r"cls_head\.cls_head\.conv\.bias has shape \(3,\), .* \(5,\)$"):
        convert({"cls_head.cls_head.conv.bias": torch.zeros(3)}, UNAV, ours)


def test_of_many_misfits_the_first_ones_are_named():
    with pytest.raises(UserError, match="13 tensors do not fit") as error:
        convert({f"head.{index}": torch.zeros(1) for index in range(13)}, UNAV, {})
    _, *shown, last = str(error.value).splitlines()
    assert len(shown) == SHOWN
    assert last == "  and 3 more"
