import pytest
import torch

from avel.checkpoints import ave
from avel.checkpoints.official import convert, rename
from avel.errors import UserError


@pytest.mark.parametrize(
    ("table", "released", "ours"),
    [
        (ave.AV_ATT, "affine_v.weight", "attention.visual_out.weight"),
        (ave.AV_ATT, "affine_video.bias", "attention.visual.bias"),
        (ave.AV_ATT, "lstm_audio.weight_hh_l0_reverse", "lstm.audio.weight_hh_l0_reverse"),
        (ave.AV_ATT, "L2.bias", "classify.bias"),
        (ave.DMRN, "U_a.2.bias", "audio_update.2.bias"),
        (ave.PSP, "attention.affine_g.weight", "attention.audio_out.weight"),
        (ave.PSP, "lstm_a_v.lstm_video.bias_ih_l0", "lstm.visual.bias_ih_l0"),
        (ave.PSP, "psp.a_L1.weight", "propagate.audio_key.0.weight"),
        (ave.PSP, "fv.1.weight", "embed_visual.1.weight"),
        (ave.PSP, "linear_v.bias", "embed_visual.bias"),
        (ave.CMRAN, "module.spatial_channel_att.affine_video_2.bias", "attention.visual_places.bias"),
        (ave.CMRAN, "video_encoder.encoder.layers.1.norm2.bias", "visual_encoder.2.norm2.bias"),
        (ave.CMRAN, "audio_decoder.decoder.layers.0.linear2.bias", "audio_relation.feedforward.3.bias"),
        (ave.CMRAN, "AVInter.video_multihead.in_proj_bias", "interaction.attention.in_proj_bias"),
        (ave.AVDLN, "dense_2/kernel", "visual.2.weight"),
    ],
)
def test_names(table, released, ours):
    assert rename(released, table) == ours


def test_unused_parameters_are_left_out():
    released = {"L2.weight": torch.ones(2), "L3.weight": torch.zeros(3), "linear_v.weight": torch.zeros(4)}
    ours = {"classify.weight": torch.zeros(2)}
    state = convert(released, ave.PSP, ours, ignorable=ave.PSP_UNUSED)
    assert {name: tensor.tolist() for name, tensor in state.items()} == {"classify.weight": [1, 1]}
    with pytest.raises(UserError, match="L3.weight has no counterpart"):
        convert(released, ave.PSP, ours)


def test_the_weak_model_uses_what_the_full_one_does_not():
    released = {"linear_v.weight": torch.ones(2), "W3.weight": torch.ones(2), "temperature": torch.zeros(1, 3)}
    ours = {"embed_visual.weight": torch.zeros(2), "weigh.weight": torch.zeros(2)}
    assert convert(released, ave.PSP, ours, ignorable=ave.PSP_WEAK_UNUSED).keys() == ours.keys()


def test_the_state_of_stale_targets_is_ours_alone():
    ours = {"classify.weight": torch.zeros(2), "similarity_targets._extra_state": torch.zeros(0, 0)}
    assert convert({"L2.weight": torch.ones(2)}, ave.PSP, ours).keys() == {"classify.weight"}
