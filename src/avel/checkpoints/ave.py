"""Names of the tensors in the released checkpoints of the AVE papers, and ours (see `avel.checkpoints.official`).

Their models hold parameters that never enter a computation. Ours do not; `convert(..., ignorable=...)` leaves them out.
"""

from __future__ import annotations

from avel.checkpoints.official import Table

ATTENTION_AND_LSTMS: Table = [
    (r"^(attention\.)?affine_video\.", "attention.visual."),
    (r"^(attention\.)?affine_audio\.", "attention.audio."),
    (r"^(attention\.)?affine_v\.", "attention.visual_out."),
    (r"^(attention\.)?affine_g\.", "attention.audio_out."),
    (r"^(attention\.)?affine_h\.", "attention.score."),
    (r"^(lstm_a_v\.)?lstm_video\.", "lstm.visual."),
    (r"^(lstm_a_v\.)?lstm_audio\.", "lstm.audio."),
    (r"^L1\.", "hidden."),
    (r"^L2\.", "classify."),
]

AV_ATT: Table = ATTENTION_AND_LSTMS

DMRN: Table = [
    *ATTENTION_AND_LSTMS,
    (r"^U_v\.", "visual_update."),
    (r"^U_a\.", "audio_update."),
]

PSP: Table = [
    *ATTENTION_AND_LSTMS,
    (r"^fa\.", "embed_audio."),
    (r"^(fv|linear_v)\.", "embed_visual."),  # fully and weakly supervised
    (r"^psp\.v_L2\.", "propagate.visual_key.0."),
    (r"^psp\.a_L1\.", "propagate.audio_key.0."),
    (r"^psp\.v_L1\.", "propagate.visual_value.0."),
    (r"^psp\.a_L2\.", "propagate.audio_value.0."),
    (r"^psp\.v_fc\.", "propagate.visual_out.0."),
    (r"^psp\.a_fc\.", "propagate.audio_out.0."),
    (r"^psp\.layer_norm\.", "propagate.norm."),
    (r"^W3\.", "weigh."),
]
PSP_UNUSED = (r"^linear_v\.", r"^[va]_classify\.", r"^L[34]\.")
PSP_WEAK_UNUSED = (r"^temperature$", r"^W[12]\.")

CMRAN: Table = [
    (r"^module\.", ""),
    (r"^v_fc\.", "project.0."),
    (r"^spatial_channel_att\.affine_(video|audio)_1\.", r"attention.\1_channels."),
    (r"^spatial_channel_att\.affine_(video|audio)_2\.", r"attention.\1_places."),
    (r"^spatial_channel_att\.affine_bottleneck\.", "attention.gate.0."),
    (r"^spatial_channel_att\.affine_v_c_att\.", "attention.gate.2."),
    (r"^spatial_channel_att\.affine_v_s_att\.", "attention.score.0."),
    (r"_encoder\.affine_matrix\.", "_encoder.0."),
    (r"_encoder\.encoder\.layers\.(\d+)\.", r"_encoder.{\1+1}."),
    (r"_decoder\.affine_matrix\.", "_relation.embed."),
    (r"_decoder\.decoder\.layers\.0\.multihead_attn\.", "_relation.attention."),
    (r"_decoder\.decoder\.layers\.0\.linear1\.", "_relation.feedforward.0."),
    (r"_decoder\.decoder\.layers\.0\.linear2\.", "_relation.feedforward.3."),
    (r"_decoder\.decoder\.layers\.0\.norm1\.", "_relation.norm_attention."),
    (r"_decoder\.decoder\.layers\.0\.norm2\.", "_relation.norm_feedforward."),
    (r"^AVInter\.video_multihead\.", "interaction.attention."),
    (r"^AVInter\.norm1\.", "interaction.norm."),
    (r"^localize_module\.classifier\.", "relevance."),
    (r"^localize_module\.event_classifier\.", "classify."),
    (r"^(attention\.)?video_", r"\1visual_"),
]
CMRAN_UNUSED = (r"_(en|de)coder\.(en|de)coder_layer\.", r"_decoder\..*\.self_attn\.", r"\.affine_video_guided_\d\.")

AVDLN: Table = [
    (r"^dense_1/", "visual.0."),
    (r"^dense_2/", "visual.2."),
    (r"^dense_3/", "audio.0."),
    (r"^dense_4/", "audio.2."),
    (r"\.kernel$", ".weight"),
]
