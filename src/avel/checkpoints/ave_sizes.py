"""Sizes of AV-att, DMRN, PSP, CMRAN and AVDLN, from the shapes of released weights.

What shapes do not tell is taken from the released code, audio on the axis of positions included: the weights were
trained that way (see `avel.layers.audio_guided`).
"""

from __future__ import annotations

from avel.checkpoints.shapes import Arguments, Shapes, Sizes, count

AVE_CLASSES = 28


def av_att(shapes: Shapes) -> Sizes:
    """Sizes of AV-att; weights do not tell how they were supervised, and forward does not depend on it."""
    read = _attention(shapes) | {"classifier_dim": shapes["hidden.weight"][0]}
    return Sizes(read, {"audio_axis": "positions"}, {"supervision": "full"})


def dmrn(shapes: Shapes) -> Sizes:
    """Sizes of DMRN; its update has the same weights however often it is repeated."""
    return Sizes(_attention(shapes), {"swap_streams": True, "audio_axis": "positions"}, {"fusion_blocks": 1})


def psp(shapes: Shapes) -> Sizes:
    """Sizes of PSP; full supervision has layers of its own."""
    full = "propagate.visual_out.0.weight" in shapes
    read = _attention(shapes) | {
        "psp_dim": shapes["propagate.visual_key.0.weight"][0],
        "classifier_dim": shapes["hidden.weight"][0],
        "supervision": "full" if full else "weak",
    }
    if full:
        read["audio_dim"] = shapes["embed_audio.0.weight"][1]
    return Sizes(read, {"audio_axis": "positions"}, {"threshold": 0.099 if full else 0.095})


def cmran(shapes: Shapes) -> Sizes:
    """Sizes of CMRAN; weak supervision tells background apart from AVE's classes."""
    outputs, dim = shapes["classify.weight"]
    weak = outputs == AVE_CLASSES + 1
    read = {
        "visual_dim": shapes["project.0.weight"][1],
        "audio_dim": shapes["attention.audio_channels.weight"][1],
        "dim": dim,
        "feedforward_dim": shapes["visual_relation.feedforward.0.weight"][0],
        "attention_dim": shapes["attention.gate.0.weight"][0],
        "encoder_layers": count(shapes, "visual_encoder.") - 1,  # behind a linear map
    }
    assumed = {
        "num_classes": AVE_CLASSES if weak else outputs,
        "supervision": "weak" if weak else "full",
        "heads": 4,
        "interaction_heads": 2 if weak else 4,
    }
    return Sizes(read, {}, assumed)


def avdln(shapes: Shapes) -> Sizes:
    """Sizes of AVDLN, which does not tell classes apart."""
    read = {
        "visual_dim": shapes["visual.0.weight"][1],
        "audio_dim": shapes["audio.0.weight"][1],
        "hidden_dim": shapes["visual.0.weight"][0],
        "embedding_dim": shapes["visual.2.weight"][0],
    }
    return Sizes(read, {}, {"num_classes": AVE_CLASSES})


def _attention(shapes: Shapes) -> Arguments:
    """Sizes that AV-att, DMRN and PSP have in common."""
    return {
        "num_classes": shapes["classify.weight"][0] - 1,
        "visual_dim": shapes["attention.visual.weight"][1],
        "audio_dim": shapes["attention.audio.weight"][1],
        "positions": shapes["attention.visual_out.weight"][0],
        "attention_dim": shapes["attention.visual.weight"][0],
        "lstm_dim": shapes["lstm.visual.weight_hh_l0"][1],
    }
