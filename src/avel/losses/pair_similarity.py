"""Audio-visual pair similarity: picture and sound should resemble each other within an event and nowhere else.

Zhou et al., "Positive Sample Propagation along the Audio-Visual Event Line", CVPR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from avel.floats import at_least_float32
from avel.losses.ranks import own_rows, rows_of_all

EPS = 1e-8


def pair_similarity_loss(visual: Tensor, audio: Tensor, target: Tensor) -> Tensor:
    """Compare where in a clip picture and sound resemble each other with where they should; mean of squares.

    Computed in float32 at least.

    Args:
        visual: (B, T, D).
        audio: (B, T, D).
        target: share of each snippet in the clip's similarity, (B, T).
    """
    similarity = functional.cosine_similarity(at_least_float32(visual), at_least_float32(audio), dim=-1).relu()
    return functional.mse_loss(similarity / (similarity.sum(dim=1, keepdim=True) + EPS), target)


def similarity_targets(event: Tensor) -> Tensor:
    """Share the similarity out evenly to the snippets of the event, or to all where there is no event.

    Args:
        event: whether a snippet belongs to the clip's event, (B, T) bool.

    Returns:
        (B, T) float32, each row sums to 1.
    """
    wanted = (event | ~event.any(dim=1, keepdim=True)).float()
    return wanted / wanted.sum(dim=1, keepdim=True)


class StaleSimilarityTargets(nn.Module):
    """`similarity_targets` as the released code of PSP has them: its buffer is never cleared between mini-batches.

    Row b of a mini-batch writes the snippets of its event; the background around keeps what the last mini-batch with a
    row b left there. On AVE, where two thirds of the clips are all event, background soon carries a target of about
    1/T and rows sum to more than 1.

    What is left is part of the state dict, so a resumed training goes on exactly. On several ranks the mini-batch is
    that of all together, and every rank knows all that is left. Clips must have equal lengths.
    """

    def __init__(self) -> None:
        super().__init__()
        self.left = torch.zeros(0, 0)

    def forward(self, event: Tensor) -> Tensor:
        """Map (B, T) bool to targets (B, T), and keep them for the next mini-batch."""
        clean = similarity_targets(rows_of_all(event.byte()).bool())
        rows, length = clean.shape
        left = self.left.to(event.device)
        missing = max(rows - len(left), 0)
        left = torch.cat([left.view(-1, length), clean.new_zeros(missing, length)])
        targets = torch.where(clean > 0, clean, left[:rows])
        self.left = torch.cat([targets, left[rows:]])
        return own_rows(targets)

    # not a buffer: its first axis grows to the largest mini-batch

    def get_extra_state(self) -> Tensor:
        """Return what is left, (rows, T)."""
        return self.left

    def set_extra_state(self, state: Tensor) -> None:
        """Go on with what is left, (rows, T)."""
        self.left = state
