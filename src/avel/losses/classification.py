"""Losses of one class out of K: as the AVE papers describe them, as their released code computes them, and our own."""

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


def most_relevant_loss(relevance: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of each clip's class, if its most relevant snippet decides whether it shows an event.

    A clip shows class c if that snippet belongs to an event and the class is c, and background otherwise. No paper's:
    it is for weak supervision by networks that judge relevance and class apart.

    Args:
        relevance: logits of "there is an event", (B, T).
        logits: class logits, (B, K), background last.
        target: class ids, (B,) int64 in [0, K).
    """
    most = at_least_float32(relevance).amax(dim=1, keepdim=True)
    event, no_event = functional.logsigmoid(most), functional.logsigmoid(-most)
    shown = event + at_least_float32(logits).log_softmax(dim=1)
    background = torch.logaddexp(no_event, shown[:, -1:])
    return functional.nll_loss(torch.cat([shown[:, :-1], background], dim=1), target)
