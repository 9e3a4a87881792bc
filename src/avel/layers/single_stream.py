"""The feature pyramid over one stream of features that ActionFormer introduced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from avel.errors import UserError, check_choice
from avel.layers.drop import Residual
from avel.layers.masked import ConvStack, MaskedConv1d, downsample
from avel.layers.position import SinusoidalPosition
from avel.layers.sizes import check_heads, check_pyramid
from avel.layers.transformer import AttentionBlock

BlockKind = Literal["transformer", "conv"]


@dataclass(frozen=True, slots=True)
class SingleStreamConfig:
    """Sizes of the single-stream pyramid.

    Attributes:
        block: what refines features and shortens time: "transformer", or "conv", the released code's alternative.
        dim: channels D.
        heads: attention heads.
        windows: odd number of steps around its own that a step looks at, None for all; one value, or one per level.
        relative_positions: learn a bias per head and distance, where attention has a window.
        positions: add sinusoidal positions.
        embedding_layers: convolutions that bring the features to D channels.
        stem_layers: blocks on the finest level.
        levels: pyramid levels, each half as long as the one before.
        projections: channels that streams are brought to which are projected; None: an equal share of D each.
        kernel_size: width of the embedding convolutions.
        norm: LayerNorm behind each embedding convolution.
        drop_path: probability that a residual branch is dropped for a whole sample.
        residual_scale: first value of the learned scale of residual branches (see `Residual`).

    Raises:
        UserError: an unknown `block`, a size that no pyramid can have, or another number of windows than of levels.
    """

    block: BlockKind = "transformer"
    dim: int = 512
    heads: int = 4
    windows: int | tuple[int | None, ...] | None = 19
    relative_positions: bool = False
    positions: bool = False
    embedding_layers: int = 2
    stem_layers: int = 2
    levels: int = 6
    projections: tuple[int, ...] | None = None
    kernel_size: int = 3
    norm: bool = True
    drop_path: float = 0.1
    residual_scale: float = 1e-4

    def __post_init__(self) -> None:
        check_choice("method.pyramid.block", self.block, get_args(BlockKind))
        check_pyramid(self)
        if self.block == "transformer":
            check_heads(self.dim, self.heads)
        if len(self.window_per_level) != self.levels:
            raise UserError(
                f"method.pyramid.windows={self.windows}: give one for all levels, or {self.levels}, one for each"
            )

    @property
    def window_per_level(self) -> list[int | None]:
        """Window of each level, fine to coarse."""
        return list(self.windows) if isinstance(self.windows, Sequence) else [self.windows] * self.levels


class SelfAttention(nn.Module):
    """Pre-norm self-attention and MLP.

    Args:
        config: sizes.
        window: see `SingleStreamConfig.windows`.
        stride: temporal stride.
    """

    def __init__(self, config: SingleStreamConfig, window: int | None, stride: int) -> None:
        super().__init__()
        self.block = AttentionBlock(
            config.dim,
            config.heads,
            stride=stride,
            residual=Residual(config.drop_path, config.residual_scale),
            window=window,
            relative_positions=config.relative_positions,
            tied_norms=True,
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Refine (N, T, D) with mask (N, T) to (N, T / stride, D)."""
        return self.block(x, x, mask)


class ResidualConv(nn.Module):
    """Two convolutions with a skip connection (He et al., CVPR 2016).

    Args:
        dim: channels D; there are 2 D in between.
        stride: temporal stride.
    """

    def __init__(self, dim: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.widen, self.narrow = MaskedConv1d(dim, 2 * dim, stride=stride), MaskedConv1d(2 * dim, dim)
        self.skip = MaskedConv1d(dim, dim, 1, stride) if stride > 1 else None

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Refine (N, T, D) with mask (N, T) to (N, T / stride, D)."""
        refined = self.narrow(self.widen(x, mask).relu(), downsample(mask, self.stride))
        return (refined + (x if self.skip is None else self.skip(x, mask))).relu()


class SingleStreamPyramid(nn.Module):
    """Joins streams of features and refines them from level to level, each half as long as the one before.

    Args:
        in_dims: widths of the streams.
        projected: bring each stream to `config.projections` channels before they are joined.
        max_length: longest sequence seen in training.
        config: sizes.

    Raises:
        UserError: another number of projections than of streams.
    """

    def __init__(self, in_dims: Sequence[int], max_length: int, config: SingleStreamConfig, *, projected: bool) -> None:
        super().__init__()
        self.projections = None
        if projected:
            out_dims = config.projections or [config.dim // len(in_dims)] * len(in_dims)
            if len(out_dims) != len(in_dims):
                raise UserError(
                    f"method.pyramid.projections={out_dims}: give one width for each of {len(in_dims)} streams"
                )
            self.projections = nn.ModuleList(MaskedConv1d(i, o, 1) for i, o in zip(in_dims, out_dims, strict=True))
            in_dims = out_dims
        dims = [sum(in_dims)] + [config.dim] * config.embedding_layers
        self.embedding = ConvStack(dims, config.kernel_size, norm=config.norm)
        self.position = SinusoidalPosition(config.dim, max_length) if config.positions else None

        def block(window: int | None, stride: int) -> nn.Module:
            return ResidualConv(config.dim, stride) if config.block == "conv" else SelfAttention(config, window, stride)

        finest, *coarser = config.window_per_level
        self.stem = nn.ModuleList(block(finest, 1) for _ in range(config.stem_layers))
        self.levels = nn.ModuleList(block(window, 2) for window in coarser)

    def forward(self, streams: Sequence[Tensor], mask: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Build the pyramid.

        Args:
            streams: each (N, T, its width); T is a multiple of 2^(levels - 1).
            mask: (N, T).

        Returns:
            Per level l, fine to coarse: features (N, T / 2^l, D) and masks (N, T / 2^l).
        """
        if self.projections is not None:
            streams = [project(x, mask) for project, x in zip(self.projections, streams, strict=True)]
        x = self.embedding(torch.cat(list(streams), dim=2), mask)
        if self.position is not None:
            x = self.position(x, mask)
        for block in self.stem:
            x = block(x, mask)
        features, masks = [x], [mask]
        for block in self.levels:
            features.append(block(features[-1], masks[-1]))
            masks.append(downsample(masks[-1], 2))
        return features, masks
