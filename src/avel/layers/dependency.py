"""Dependencies between events: over time within a class, and between classes at a time."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from avel.errors import check_choice
from avel.layers.drop import NO_DROP, Residual
from avel.layers.levels import JoinedLevels
from avel.layers.masked import MaskedConv1d
from avel.layers.transformer import AttentionBlock

RowMask = Literal["per_video", "released"]


class DependencyBranches(nn.Module):
    """Self-attention over time (each class for itself) plus self-attention over classes (each time for itself).

    Geng et al., CVPR 2023, section 4.3; CCNet uses the same two branches.

    Args:
        dim: channels H of one class.
        residual: regularization of the residual branches.
        row_mask: "per_video" masks the rows of a video with that video's mask. "released" repeats the released codes'
            slip: row r of the flattened (video, class) axis is masked by video r mod B, so that predictions depend on
            batch mates of other lengths.
    """

    def __init__(self, dim: int, *, residual: Residual, row_mask: RowMask) -> None:
        super().__init__()
        check_choice("method.row_mask", row_mask, get_args(RowMask))
        self.row_mask = row_mask
        # with a vector per class and time, what is kept for the backward pass outweighs all else: norms are cheap
        self.temporal = AttentionBlock(dim, 1, hidden=dim, residual=residual, recompute_norms=True)
        self.cooccurrence = AttentionBlock(dim, 1, hidden=dim, residual=residual, recompute_norms=True)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Refine the class features (B, T, C, H) of one level with mask (B, T); same shape out."""
        batch, _, classes, _ = x.shape
        rows = x.transpose(1, 2).flatten(0, 1)  # (B * C, T, H)
        row_mask = mask.repeat_interleave(classes, 0) if self.row_mask == "per_video" else mask.repeat(classes, 1)
        temporal = self.temporal(rows, rows, row_mask).unflatten(0, (batch, classes)).transpose(1, 2)
        columns = x.flatten(0, 1)  # (B * T, C, H); none looks at another, so that padded ones do no harm
        cooccurrence = self.cooccurrence(columns, columns, None).view_as(x)
        return temporal + cooccurrence * mask[..., None, None]


class DependencyBlock(nn.Module):
    """UnAV's neck: expands features into one vector per class, relates these, and squeezes them back.

    Args:
        dim: channels 2 E of the pyramid.
        num_classes: classes C.
        hidden: channels H of one class.
        residual: regularization of the residual branches.
        row_mask: see `DependencyBranches`.
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        hidden: int,
        *,
        residual: Residual = NO_DROP,
        row_mask: RowMask = "per_video",
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.expand = MaskedConv1d(dim, num_classes * hidden, bias=False)
        self.branches = DependencyBranches(hidden, residual=residual, row_mask=row_mask)
        self.squeeze = MaskedConv1d(num_classes * hidden, dim, bias=False)

    def forward(self, features: list[Tensor], masks: list[Tensor]) -> list[Tensor]:
        """Refine every level (B, T_l, 2 E) with its mask (B, T_l)."""
        joined = JoinedLevels.of(masks)
        mask = joined.join(masks)
        expanded = joined.split(self.expand(joined.join(features), mask))
        classes = (x.relu().unflatten(2, (self.num_classes, -1)) for x in expanded)  # (B, T_l, C, H)
        refined = [self.branches(*level).flatten(2) for level in zip(classes, masks, strict=True)]
        return joined.split(self.squeeze(joined.join(refined), mask))
