"""Less memory for more time: blocks whose inside is computed again in the backward pass."""

from __future__ import annotations

from torch import nn

from avel.errors import UserError
from avel.layers.transformer import AttentionBlock


def recompute_activations(method: nn.Module) -> None:
    """Let a method's transformer blocks keep their inputs alone for the backward pass (Chen et al., arXiv 1604.06174).

    Outputs and gradients stay the same: what was dropped at random is dropped again.

    Args:
        method: UnAV, CCNet, UniAV or ActionFormer.

    Raises:
        UserError: the method has no such blocks.
    """
    blocks = [module for module in method.modules() if isinstance(module, AttentionBlock)]
    if not blocks:
        raise UserError(
            f"method.checkpoint_activations=true: {type(method).__name__}, as it is configured, has none of the blocks"
            " that can be computed again; leave it false"
        )
    for block in blocks:
        block.recompute = True
