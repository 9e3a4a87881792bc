import pytest
import torch

from avel.checkpoints.recognition import FAMILIES, recognize
from avel.checkpoints.shapes import count, nested
from avel.errors import UserError

DMRN = {
    "U_v.0.weight": (4, 4),
    "affine_video.weight": (5, 7),
    "affine_audio.weight": (5, 3),
    "affine_v.weight": (9, 5),
    "lstm_video.weight_hh_l0": (8, 2),
    "L2.weight": (6, 4),
}


def tensors(shapes):
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def test_names_tell_the_method_and_shapes_its_size():
    found = recognize(tensors(DMRN), given={})
    assert found.family is FAMILIES["dmrn"]
    assert found.arguments == {
        "num_classes": 5,
        "visual_dim": 7,
        "audio_dim": 3,
        "positions": 9,
        "attention_dim": 5,
        "lstm_dim": 2,
        "swap_streams": True,
        "audio_axis": "positions",
        "fusion_blocks": 1,
    }
    assert found.assumed == {"fusion_blocks": 1}
    assert found.released == {"swap_streams": True, "audio_axis": "positions"}


def test_what_is_given_is_not_assumed():
    found = recognize(tensors(DMRN), given={"fusion_blocks": 3, "swap_streams": False, "optimizer.lr": 0.1})
    assert (found.assumed, found.released) == ({}, {"audio_axis": "positions"})
    assert found.arguments["fusion_blocks"] == 3
    assert found.arguments["optimizer"] == {"lr": 0.1}


def test_a_method_can_be_named():
    shapes = DMRN | {"L1.weight": (3, 8)}
    assert recognize(tensors(shapes), method="av_att", given={}).family.name == "AVAtt"
    with pytest.raises(UserError, match="--method=avatt: unknown, choose one of .*av_att"):
        recognize(tensors(shapes), method="avatt", given={})


def test_unknown_and_incomplete_weights_are_named():
    with pytest.raises(UserError, match=r"holds 5 tensors \(t0, t1, t2, t3, …\), of no method that is known: ccnet,"):
        recognize(tensors({f"t{index}": (1,) for index in range(5)}), given={})
    incomplete = {name: shape for name, shape in DMRN.items() if name != "L2.weight"}
    with pytest.raises(UserError, match="looks like DMRN, but .* missing or odd: 'classify.weight'"):
        recognize(tensors(incomplete), given={})
    with pytest.raises(UserError, match="looks like DMRN"):
        recognize(tensors(DMRN | {"affine_v.weight": ()}), given={})


def test_odd_shapes_are_named():
    nothing = (0, 4, 3)
    shapes = {
        "backbone.embd_V.0.conv.weight": (4, 5, 3),
        "backbone.embd_A.0.conv.weight": (4, 5, 3),
        "reg_head.head.0.conv.weight": (4, 8, 3),
        "reg_head.offset_head.conv.weight": nothing,
        "cls_head.cls_head.conv.weight": nothing,
        "dependency_block.feature_expand.conv.weight": nothing,
    }
    with pytest.raises(UserError, match="looks like UnAV, but"):
        recognize(tensors(shapes), given={})


def test_every_mark_is_of_one_method():
    marks = [family.mark for family in FAMILIES.values()]
    assert len(set(marks)) == len(marks)


def test_counting_and_nesting():
    assert count({"a.0.x": (), "a.0.y": (), "a.10.x": (), "ab.3.x": (), "a.b.x": ()}, "a.") == 2
    assert nested({"a": 1, "b.c": 2, "b.d.e": 3}) == {"a": 1, "b": {"c": 2, "d": {"e": 3}}}
