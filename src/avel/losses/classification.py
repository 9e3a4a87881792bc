"""Loss of one class out of K, as the AVE papers describe it and as their released code computes it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from avel.floats import at_least_float32

ClassLoss = Literal["cross_entropy", "released"]


def class_loss(logits: Tensor, target: Tensor, kind: ClassLoss = "cross_entropy") -> Tensor:
    """Compare class logits with class ids; mean over all rows. Computed in float32 at least.

    "released" repeats the released code of AV-att, DMRN and weakly supervised CMRAN: it takes the softmax of the logits
    and then treats those probabilities as logits of independent classes (multi-label soft margin). Probabilities lie
    in [0, 1], so with 29 classes the loss can only move between 0.680 (certain and right) and 0.709 (uniform).

    Args:
        logits: (..., K).
        target: (...) int64 in [0, K).
        kind: "cross_entropy" or "released".
    """
    logits, target = at_least_float32(logits).flatten(0, -2), target.flatten()
    if kind == "cross_entropy":
        return functional.cross_entropy(logits, target)
    expected = functional.one_hot(target, logits.shape[-1]).to(logits.dtype)
    return functional.binary_cross_entropy_with_logits(logits.softmax(dim=-1), expected)


def share_loss(logits: Tensor, share: Tensor) -> Tensor:
    """Compare the softmax of class logits with the share that each class should have; mean of K binary cross-entropies.

    log(1 - softmax) is taken as what the other classes have together: finite however sure the network is, and free to
    run in mixed precision, which binary cross-entropy of probabilities is not.

    Args:
        logits: (B, K), K at least 2.
        share: (B, K), each row sums to 1.
    """
    logits = at_least_float32(logits)
    itself = torch.eye(logits.shape[-1], dtype=torch.bool, device=logits.device)
    others = logits[:, None].masked_fill(itself, -torch.inf).logsumexp(dim=-1)
    total = logits.logsumexp(dim=-1, keepdim=True)
    return -(share * (logits - total) + (1 - share) * (others - total)).mean()
