"""The audio-visual feature pyramid that UnAV introduced and CCNet gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avel.errors import UserError
from avel.layers.drop import Residual
from avel.layers.masked import ConvStack, downsample
from avel.layers.position import SinusoidalPosition
from avel.layers.sizes import check_heads, check_pyramid
from avel.layers.transformer import AttentionBlock


@dataclass(frozen=True, slots=True)
class PyramidConfig:
    """Sizes of the audio-visual pyramid.

    Attributes:
        dim: channels E of each modality.
        heads: attention heads.
        embedding_layers: convolutions that bring the features to E channels.
        stem_layers: self-attention blocks of each modality before the modalities meet.
        levels: pyramid levels, each half as long as the one before.
        kernel_size: width of the embedding convolutions.
        positions: add sinusoidal positions.
        norm: LayerNorm behind each embedding convolution.
        drop_path: probability that a residual branch is dropped for a whole sample.
        residual_scale: first value of the learned scale of residual branches (see `Residual`).

    Raises:
        UserError: a size that no pyramid can have.
    """

    dim: int = 512
    heads: int = 4
    embedding_layers: int = 2
    stem_layers: int = 2
    levels: int = 6
    kernel_size: int = 3
    positions: bool = True
    norm: bool = True
    drop_path: float = 0.1
    residual_scale: float = 1e-4

    def __post_init__(self) -> None:
        check_pyramid(self)
        check_heads(self.dim, self.heads)

    @property
    def residual(self) -> Residual:
        """Regularization of residual branches."""
        return Residual(self.drop_path, self.residual_scale)


class ModalityStem(nn.Module):
    """Embeds the features of one modality and lets them attend to each other.

    Args:
        in_dim: width of the features.
        max_length: longest sequence seen in training.
        config: sizes.
        tasks: see `AttentionBlock`.
    """

    def __init__(self, in_dim: int, max_length: int, config: PyramidConfig, tasks: Sequence[str] = ()) -> None:
        super().__init__()
        dims = [in_dim] + [config.dim] * config.embedding_layers
        self.embedding = ConvStack(dims, config.kernel_size, norm=config.norm)
        self.position = SinusoidalPosition(config.dim, max_length) if config.positions else None
        self.blocks = nn.ModuleList(
            AttentionBlock(config.dim, config.heads, residual=config.residual, tasks=tasks)
            for _ in range(config.stem_layers)
        )

    def forward(self, x: Tensor, mask: Tensor, task: str = "", *, whole_table: bool = False) -> Tensor:
        """Embed (N, T, in_dim) to (N, T, E); see `SinusoidalPosition` for `whole_table`."""
        x = self.embedding(x, mask)
        if self.position is not None:
            x = self.position(x, mask, whole_table=whole_table)
        for block in self.blocks:
            x = block(x, x, mask, task)
        return x


class AudioVisualPyramid(nn.Module):
    """Two stems, then one pair of cross-attention blocks per level: each modality asks the other what matters.

    Geng et al., "Dense-Localizing Audio-Visual Events in Untrimmed Videos", CVPR 2023, section 4.2.

    Args:
        visual_dim: width of the visual features.
        audio_dim: width of the audio features.
        max_length: longest sequence seen in training.
        config: sizes.
        gate: builds the gate of one modality and level from its stride (CCNet); a gate maps the modality's previous
            features (N, T, E), and their mask (N, T), to (N, T / stride, 1) and amplifies the OTHER modality.
        tasks: see `AttentionBlock`.

    Raises:
        UserError: the features of a modality have no channels.
    """

    def __init__(
        self,
        visual_dim: int,
        audio_dim: int,
        max_length: int,
        config: PyramidConfig,
        gate: Callable[[int], nn.Module] | None = None,
        tasks: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if min(visual_dim, audio_dim) < 1:
            raise UserError(
                f"data.visual_dim={visual_dim}, data.audio_dim={audio_dim}: this method sees and hears; choose other"
                " features (data.features), or ActionFormer, which does with one modality"
            )
        self.strides = [1] + [2] * (config.levels - 1)
        self.visual_stem = ModalityStem(visual_dim, max_length, config, tasks)
        self.audio_stem = ModalityStem(audio_dim, max_length, config, tasks)

        def level(stride: int) -> AttentionBlock:
            return AttentionBlock(config.dim, config.heads, stride=stride, residual=config.residual, tasks=tasks)

        self.visual_levels = nn.ModuleList(level(stride) for stride in self.strides)
        self.audio_levels = nn.ModuleList(level(stride) for stride in self.strides)
        self.visual_gates = nn.ModuleList(gate(stride) for stride in self.strides) if gate else None
        self.audio_gates = nn.ModuleList(gate(stride) for stride in self.strides) if gate else None

    def forward(
        self, visual: Tensor, audio: Tensor, mask: Tensor, task: str = "", *, whole_table: bool = False
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Build the pyramid.

        Args:
            visual: (N, T, visual_dim); T is a multiple of 2^(levels - 1).
            audio: (N, T, audio_dim).
            mask: (N, T).
            task: whose experts are asked, where there are `tasks`.
            whole_table: see `SinusoidalPosition`.

        Returns:
            Per level l, fine to coarse: features (N, T / 2^l, 2 E), visual channels first; and masks (N, T / 2^l).
        """
        visual, audio = (
            stem(x, mask, task, whole_table=whole_table)
            for stem, x in ((self.visual_stem, visual), (self.audio_stem, audio))
        )
        features, masks = [], []
        for level, stride in enumerate(self.strides):
            next_visual = self.visual_levels[level](visual, audio, mask, task)
            next_audio = self.audio_levels[level](audio, visual, mask, task)
            if self.visual_gates is not None and self.audio_gates is not None:
                next_visual = next_visual * (1 + self.audio_gates[level](audio, mask))
                next_audio = next_audio * (1 + self.visual_gates[level](visual, mask))
            visual, audio, mask = next_visual, next_audio, downsample(mask, stride)
            features.append(torch.cat([visual, audio], dim=2))
            masks.append(mask)
        return features, masks
