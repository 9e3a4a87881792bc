"""Names of the released checkpoints' tensors, and ours: tables of (pattern, replacement), applied in order.

Released code works channels first, ours channels last: a point-wise convolution (O, I, 1) is a linear map (O, I)
here and an affine parameter (1, D, 1) is (D,). The tables rename, `convert` drops the singleton axes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from avel.errors import UserError

Table = list[tuple[str, str]]

OURS_ALONE = re.compile(r"criterion\.(\w+\.)?normalizer|similarity_targets\._extra_state|classify\.prompts_\w+")
"""What released checkpoints do not hold: their code loses the state of its losses on resume, and prompts lie apart."""

SHOWN = 10
"""Tensors that a message names at most."""

BLOCK: Table = [
    (r"\.ln11\.", ".norm_kv."),
    (r"\.ln12\.", ".norm_query."),
    (r"\.ln2\.", ".norm_mlp."),
    (r"\.attn\.", ".attention."),
    (r"\.(query|key|value)_conv\.conv\.", r".\1.conv.conv."),
    (r"\.(query|key|value)_norm\.", r".\1.norm."),
    (r"\.(query|key|value)\.(weight|bias)$", r".\1.linear.\2"),
    (r"\.proj\.", ".out."),
    (r"\.mlp\.3\.", ".mlp.2."),
    (r"\.drop_path_attn\.", ".drop_attention."),
    (r"\.drop_path_mlp\.", ".drop_mlp."),
]

STEMS_AND_HEADS: Table = [
    (r"^module\.", ""),
    (r"^backbone\.embd_V\.", "pyramid.visual_stem.embedding.convs."),
    (r"^backbone\.embd_A\.", "pyramid.audio_stem.embedding.convs."),
    (r"^backbone\.embd_norm_V\.", "pyramid.visual_stem.embedding.norms."),
    (r"^backbone\.embd_norm_A\.", "pyramid.audio_stem.embedding.norms."),
    (r"^backbone\.self_att_V\.", "pyramid.visual_stem.blocks."),
    (r"^backbone\.self_att_A\.", "pyramid.audio_stem.blocks."),
    (r"^(cls|reg)_head\.head\.", r"\1_head.hidden.convs."),
    (r"^(cls|reg)_head\.norm\.", r"\1_head.hidden.norms."),
    (r"^cls_head\.cls_head\.", "cls_head.out."),
    (r"^reg_head\.offset_head\.", "reg_head.out."),
    (r"^reg_head\.scale\.", "reg_head.scales."),
    (r"^cls_head\.", "classify."),
    (r"^reg_head\.", "regress."),
]

UNAV: Table = [
    *STEMS_AND_HEADS,
    (r"^backbone\.ori_cross_att_Va\.", "pyramid.visual_levels.0."),
    (r"^backbone\.ori_cross_att_Av\.", "pyramid.audio_levels.0."),
    (r"^backbone\.cross_att_Va\.(\d+)\.", r"pyramid.visual_levels.{\1+1}."),
    (r"^backbone\.cross_att_Av\.(\d+)\.", r"pyramid.audio_levels.{\1+1}."),
    (r"^dependency_block\.feature_expand\.", "dependency.expand."),
    (r"^dependency_block\.feature_squeeze\.", "dependency.squeeze."),
    (r"^dependency_block\.temporal_branch\.", "dependency.branches.temporal."),
    (r"^dependency_block\.cooccur_branch\.", "dependency.branches.cooccurrence."),
    *BLOCK,
]

CCNET: Table = [
    *STEMS_AND_HEADS,
    (r"^backbone\.ori_CMI_Visual\.", "pyramid.visual_levels.0."),
    (r"^backbone\.ori_CMI_Audio\.", "pyramid.audio_levels.0."),
    (r"^backbone\.CMI_Visual\.(\d+)\.", r"pyramid.visual_levels.{\1+1}."),
    (r"^backbone\.CMI_Audio\.(\d+)\.", r"pyramid.audio_levels.{\1+1}."),
    (r"^backbone\.(visual|audio)_TCG\.(\d+)\.gate_linear\.conv\.", r"pyramid.\1_gates.\2.gate."),
    (r"^backbone\.(visual|audio)_TCG\.(\d+)\.(ln\d+)\.", r"pyramid.\1_gates.\2.\3."),
    (r"^backbone\.(visual|audio)_TCG\.(\d+)\.", r"pyramid.\1_gates.\2.attention."),
    (r"^MTGC_block\.C2F_attention\.", "collaboration.coarse_to_fine."),
    (r"^MTGC_block\.F2C_attention_block\.", "collaboration.fine_to_coarse."),
    (r"^MTGC_block\.C2F_linear\.(\d+)\.", r"collaboration.levels.\1.stretch."),
    (r"^MTGC_block\.channel_att\.(\d+)\.", r"collaboration.levels.\1.channels."),
    (r"^MTGC_block\.feature_tem_block\.(\d+)\.", r"collaboration.levels.\1.to_classes."),
    (r"^MTGC_block\.feature_tem_press\.", "collaboration.press."),
    (r"^MTGC_block\.feature_expand\.", "collaboration.expand."),
    (r"^MTGC_block\.feature_squeeze\.", "collaboration.squeeze."),
    (r"^MTGC_block\.temporal_branch\.", "collaboration.branches.temporal."),
    (r"^MTGC_block\.cooccur_branch\.", "collaboration.branches.cooccurrence."),
    *BLOCK,
]

ACTIONFORMER: Table = [
    *STEMS_AND_HEADS,
    (r"^backbone\.embd\.", "pyramid.embedding.convs."),
    (r"^backbone\.embd_norm\.", "pyramid.embedding.norms."),
    (r"^backbone\.proj\.", "pyramid.projections."),
    (r"^backbone\.stem\.", "pyramid.stem."),
    (r"^backbone\.branch\.", "pyramid.levels."),
    (r"\.conv1\.conv\.", ".widen.conv."),
    (r"\.conv2\.conv\.", ".narrow.conv."),
    (r"\.downsample\.conv\.", ".skip.conv."),
    (r"^(pyramid\.\w+\.\d+)\.(attn|ln1|ln2|mlp|drop_path_\w+)\.", r"\1.block.\2."),
    (r"\.ln1\.", ".norm_kv."),
    (r"\.rel_pe$", ".distance_bias"),
    (r"^neck\.lateral_convs\.", "neck.laterals."),
    (r"^neck\.fpn_(convs|norms)\.", r"neck.\1."),
    *BLOCK,
]


UNIAV: Table = [
    (r"\.ln2_(\w+)\.", r".norm_mlp.\1."),
    (r"\.mlp_(\w+)\.0\.", r".mlp.\1.0."),
    (r"\.mlp_(\w+)\.3\.", r".mlp.\1.2."),
    (r"\.(TAL|TASK1)\.", ".activitynet13."),  # tasks are called by the data sets that they were trained on
    (r"\.(AVEL|TASK2)\.", ".unav100."),
    (r"\.(SED|TASK3)\.", ".desed."),
    (r"^(module\.)?cls_head\.clip_proj\.", "classify.text."),
    (r"^(module\.)?cls_head\.vis_proj\.", "classify.visual."),
    *UNAV,
]


def rename(name: str, table: Table) -> str:
    """Translate one released parameter name; `{n+1}` in a replacement counts one up."""
    for pattern, replacement in table:
        name = re.sub(pattern, replacement, name)
    return re.sub(r"\{(\d+)\+1\}", lambda match: str(int(match[1]) + 1), name)


def convert(
    released: Mapping[str, Tensor],
    table: Table,
    ours: Mapping[str, Tensor],
    *,
    partial: bool = False,
    ignorable: Sequence[str] = (),
) -> dict[str, Tensor]:
    """Translate a released state dict.

    Args:
        released: tensors under the released names.
        table: the method's, e.g. `UNAV` or `avel.checkpoints.ave.PSP`.
        ours: a state dict of our module of the same size, for the shapes.
        partial: accept that `released` lacks some of our tensors.
        ignorable: patterns of released names that are left out: parameters that their code never uses.

    Returns:
        Tensors under our names, in our shapes; load them with `load_state_dict(..., strict=False)`, because the loss
        normalizer is ours alone.

    Raises:
        UserError: released tensors have no counterpart, the same as another or another size, or some of ours have none;
            the message shows the first of all these and says how many there are.
    """
    state: dict[str, Tensor] = {}
    misfits = []
    for name, tensor in released.items():
        if any(re.search(pattern, name) for pattern in ignorable):
            continue
        target = rename(name, table)
        shape = ours[target].shape if target in ours else None
        if shape is None:
            misfits.append(f"{name} has no counterpart (looked for {target})")
        elif target in state:
            misfits.append(f"{name} is the second one for {target}")
        elif [n for n in tensor.shape if n != 1] != [n for n in shape if n != 1]:
            misfits.append(f"{name} has shape {tuple(tensor.shape)}, {target} {tuple(shape)}")
            state[target] = tensor
        else:
            state[target] = tensor.reshape(shape)
    if not partial:
        lacking = [name for name in ours if name not in state and not OURS_ALONE.fullmatch(name)]
        misfits += [f"{name} is missing" for name in lacking]
    if misfits:
        more = f"\n  and {len(misfits) - SHOWN} more" if len(misfits) > SHOWN else ""
        raise UserError(f"{len(misfits)} tensors do not fit:\n  " + "\n  ".join(misfits[:SHOWN]) + more)
    return state
