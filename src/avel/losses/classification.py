"""Loss of one class out of K, as the AVE papers describe it and as their released code computes it."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

ClassLoss = Literal["cross_entropy", "released"]


def class_loss(logits: Tensor, target: Tensor, kind: ClassLoss = "cross_entropy") -> Tensor:
    """Compare class logits with class ids; mean over all rows.

    "released" repeats the released code of AV-att, DMRN and weakly supervised CMRAN: it takes the softmax of the logits
    and then treats those probabilities as logits of independent classes (multi-label soft margin). Probabilities lie
    in [0, 1], so with 29 classes the loss can only move between 0.680 (certain and right) and 0.709 (uniform).

    Args:
        logits: (..., K).
        target: (...) int64 in [0, K).
        kind: "cross_entropy" or "released".
    """
    logits, target = logits.flatten(0, -2), target.flatten()
    if kind == "cross_entropy":
        return functional.cross_entropy(logits, target)
    expected = functional.one_hot(target, logits.shape[-1]).to(logits.dtype)
    return functional.binary_cross_entropy_with_logits(logits.softmax(dim=-1), expected)
