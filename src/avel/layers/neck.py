"""Necks between pyramid and heads: levels as they are, or each informed by the coarser ones."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from torch import Tensor, nn

from avel.errors import UserError, check_choice, check_count
from avel.layers.masked import MaskedConv1d, MaskedDepthwiseConv1d

NeckKind = Literal["identity", "fpn"]


@dataclass(frozen=True, slots=True)
class NeckConfig:
    """What lies between the pyramid and the heads.

    Attributes:
        kind: "identity", or "fpn": coarse levels inform finer ones.
        dim: channels behind "fpn", None for those of the pyramid.
        norm: LayerNorm per level.
        first_level: finer levels of the pyramid are left out.
        ranges: distances to start and end in snippets, smallest and largest, that each remaining level regresses; they
            may overlap. None: up to 4 snippets at stride 1, each level twice as far as the one before.

    Raises:
        UserError: an unknown `kind`, a size that cannot be, or a `dim` for "identity".
    """

    kind: NeckKind = "identity"
    dim: int | None = None
    norm: bool = True
    first_level: int = 0
    ranges: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        check_choice("method.neck.kind", self.kind, get_args(NeckKind))
        check_count("method.neck.dim", self.dim, optional=True)
        check_count("method.neck.first_level", self.first_level, 0)
        if self.kind == "identity" and self.dim is not None:
            raise UserError(f"method.neck.dim={self.dim}: method.neck.kind=identity changes no widths, leave it null")


class IdentityNeck(nn.Module):
    """Passes levels on, normalised or as they are.

    Args:
        dim: channels D.
        levels: pyramid levels.
        norm: LayerNorm per level.
    """

    def __init__(self, dim: int, levels: int, *, norm: bool = True) -> None:
        super().__init__()
        self.norms = _norms(dim, levels, norm)

    def forward(self, features: list[Tensor], masks: list[Tensor]) -> list[Tensor]:
        """Map levels (N, T_l, D) with masks (N, T_l) to (N, T_l, D)."""
        return [norm(x) for norm, x in zip(self.norms, features, strict=True)]


class FeaturePyramidNeck(nn.Module):
    """Adds to every level what the coarser ones know (FPN, Lin et al., CVPR 2017), in one dimension.

    Args:
        in_dim: channels of the pyramid.
        dim: channels D behind the neck.
        levels: pyramid levels, each half as long as the one before.
        norm: LayerNorm per level; without, convolutions have biases.
    """

    def __init__(self, in_dim: int, dim: int, levels: int, *, norm: bool = True) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(MaskedConv1d(in_dim, dim, 1, bias=not norm) for _ in range(levels))
        self.convs = nn.ModuleList(MaskedDepthwiseConv1d(dim, bias=not norm) for _ in range(levels))
        self.norms = _norms(dim, levels, norm)

    def forward(self, features: list[Tensor], masks: list[Tensor]) -> list[Tensor]:
        """Map levels (N, T_l, in_dim) with masks (N, T_l), fine to coarse, to (N, T_l, D)."""
        merged = [lateral(x, mask) for lateral, x, mask in zip(self.laterals, features, masks, strict=True)]
        for coarse, fine in pairwise(reversed(range(len(merged)))):
            merged[fine] = merged[fine] + merged[coarse].repeat_interleave(2, dim=1)
        return [norm(conv(x, mask)) for norm, conv, x, mask in zip(self.norms, self.convs, merged, masks, strict=True)]


def _norms(dim: int, levels: int, norm: bool) -> nn.ModuleList:
    return nn.ModuleList(nn.LayerNorm(dim) if norm else nn.Identity() for _ in range(levels))
