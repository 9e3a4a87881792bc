"""CCNet: cross-modal consistency collaboration and multi-temporal granularity collaboration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from avel.batch import Batch, DensePrediction
from avel.decoding.dense import DenseDecoder
from avel.errors import check_choice, check_count
from avel.layers.attention import MaskedAttention
from avel.layers.dependency import DependencyBranches, RowMask
from avel.layers.drop import Residual
from avel.layers.heads import ClassificationHead, HeadConfig, RegressionHead
from avel.layers.levels import JoinedLevels
from avel.layers.masked import MaskedConv1d, max_pool
from avel.layers.pyramid import AudioVisualPyramid, PyramidConfig
from avel.layers.transformer import AttentionBlock
from avel.losses.dense import DenseLossConfig
from avel.tasks.dense import DenseLocalizer
from avel.tasks.dense_task import DenseTask
from avel.training.optim import OptimizerRecipe

GateMask = Literal["valid_keys", "released"]


class TemporalConsistencyGate(nn.Module):
    """Finds when one modality is eventful, to amplify the other one there (section "CMCC").

    Args:
        dim: channels E of a modality.
        heads: attention heads.
        stride: temporal stride.
        mask: "valid_keys" attends to valid steps only. "released" repeats the released code, which does so on the
            finest level but lets padded steps take part of the soft-max (with zero values) on all others.
    """

    def __init__(self, dim: int, heads: int, stride: int, *, mask: GateMask) -> None:
        super().__init__()
        check_choice("method.gate_mask", mask, get_args(GateMask))
        self.norm_kv, self.norm_query = nn.LayerNorm(dim), nn.LayerNorm(dim)
        mask_keys = mask == "valid_keys" or stride == 1
        self.attention = MaskedAttention(dim, heads, stride=stride, mask_keys=mask_keys)
        self.gate = nn.Linear(dim, 1)
        nn.init.zeros_(self.gate.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (N, T, E) with mask (N, T) to gates in (0, 1), (N, T / stride, 1)."""
        return self.gate(self.attention(self.norm_kv(x), self.norm_query(x), mask)).sigmoid()


class GranularityLevel(nn.Module):
    """What the neck does on one pyramid level of fixed length T, before dependencies are modelled.

    Args:
        length: time steps T of the level.
        dim: channels 2 E.
        num_classes: classes C.
        hidden: channels H per class.
        residual: regularization of the residual branches.
        coarse_length: time steps of the next coarser level, None on the coarsest.
    """

    def __init__(
        self,
        length: int,
        dim: int,
        num_classes: int,
        hidden: int,
        *,
        residual: Residual,
        coarse_length: int | None,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.stretch = nn.Linear(coarse_length, length) if coarse_length else None
        self.channels = AttentionBlock(length, 1, hidden=hidden, residual=residual)
        self.to_classes = nn.Linear(length, length * num_classes)
        for linear in filter(None, (self.stretch, self.to_classes)):
            nn.init.zeros_(linear.bias)

    def guide(self, coarse: Tensor) -> Tensor:
        """Stretch the coarser level's features (B, T', 2 E) over this level's time, (B, T, 2 E)."""
        assert self.stretch is not None
        return self.stretch(coarse.transpose(1, 2)).relu().transpose(1, 2)

    def expand(self, pressed: Tensor) -> Tensor:
        """Relate the H channels of (B, T, H) by their course over time and give each class a view, (B, T, C, H)."""
        rows = pressed.transpose(1, 2)  # (B, H, T): a sequence of channels
        rows = self.channels(rows, rows, None)
        views = self.to_classes(rows).relu()  # (B, H, T * C)
        # Classes and channels share this memory: (B, H, T * C) is re-read as (B, C, H, T), not permuted. The released
        # weights were trained that way, and for a learned map one assignment is as good as the other.
        batch, hidden, length = rows.shape
        return views.reshape(batch, self.num_classes, hidden, length).permute(0, 3, 1, 2)


class GranularityCollaboration(nn.Module):
    """The neck: coarse levels guide finer ones, dependencies are modelled, fine levels inform coarser ones (MTGC).

    Args:
        lengths: time steps of every pyramid level, fine to coarse.
        dim: channels 2 E.
        num_classes: classes C.
        hidden: channels H per class.
        residual: regularization of the residual branches.
        row_mask: see `DependencyBranches`.
    """

    def __init__(
        self,
        lengths: list[int],
        dim: int,
        num_classes: int,
        hidden: int,
        *,
        residual: Residual,
        row_mask: RowMask,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        # four and one heads whatever the pyramid has, as in the released code
        self.coarse_to_fine = AttentionBlock(dim, 4, residual=residual)
        self.levels = nn.ModuleList(
            GranularityLevel(length, dim, num_classes, hidden, residual=residual, coarse_length=coarse)
            for length, coarse in zip(lengths, [*lengths[1:], None], strict=True)
        )
        self.press = MaskedConv1d(dim, hidden, bias=False)
        self.expand = MaskedConv1d(dim, num_classes * hidden, bias=False)
        self.branches = DependencyBranches(hidden, residual=residual, row_mask=row_mask)
        self.squeeze = MaskedConv1d(num_classes * hidden, dim, bias=False)
        self.fine_to_coarse = nn.ModuleList(AttentionBlock(dim, 1, residual=residual) for _ in lengths[1:])

    def forward(self, features: list[Tensor], masks: list[Tensor]) -> list[Tensor]:
        """Refine every level (B, T_l, 2 E) with its mask (B, T_l); T_l must be the lengths given at construction."""
        refined = self._relate(self._guide(features, masks), masks)
        for index, block in enumerate(self.fine_to_coarse, start=1):
            pooled = max_pool(refined[index - 1], 2)
            refined[index] = refined[index] + block(pooled, refined[index], masks[index])
        return refined

    @property
    def _levels(self) -> Sequence[GranularityLevel]:
        return cast("Sequence[GranularityLevel]", self.levels)

    def _guide(self, features: list[Tensor], masks: list[Tensor]) -> list[Tensor]:
        if len(features) == 1:
            return features
        finer = JoinedLevels.of(masks[:-1])
        guides = [level.guide(coarse) for level, coarse in zip(self._levels[:-1], features[1:], strict=True)]
        x, guide, mask = (finer.join(parts) for parts in (features[:-1], guides, masks[:-1]))
        return [*finer.split(self.coarse_to_fine(x, guide, mask, joined=finer)), features[-1]]

    def _relate(self, features: list[Tensor], masks: list[Tensor]) -> list[Tensor]:
        joined = JoinedLevels.of(masks)
        x, mask = joined.join(features), joined.join(masks)
        pressed, expanded = (joined.split(conv(x, mask)) for conv in (self.press, self.expand))
        levels = zip(self._levels, pressed, expanded, masks, strict=True)
        refined = [self._relate_level(*level).flatten(2) for level in levels]
        return joined.split(self.squeeze(joined.join(refined), mask))

    def _relate_level(self, level: GranularityLevel, pressed: Tensor, expanded: Tensor, mask: Tensor) -> Tensor:
        classes = expanded.relu().unflatten(2, (self.num_classes, -1))  # (B, T, C, H)
        refined: Tensor = self.branches(level.expand(pressed.relu()) + classes, mask)
        return refined


class CCNet(DenseLocalizer):
    """Dense localization under cross-modal consistency and multi-temporal granularity collaboration.

    Zhou et al., "Dense Audio-Visual Event Localization under Cross-Modal Consistency and Multi-Temporal Granularity
    Collaboration", AAAI 2025.

    UnAV's pyramid with a gate by which each modality amplifies the other where it is eventful itself, and a neck that
    lets coarse and fine levels exchange what they see. The neck's layers over time have one weight per time step, so
    every batch is padded to `max_length`, in training and in testing.

    Args:
        num_classes: classes C.
        visual_dim: width of the visual features.
        audio_dim: width of the audio features.
        max_length: snippets of every input; longer videos are localized window by window.
        pyramid: sizes of the pyramid.
        head: sizes of the heads.
        neck_dim: channels per class in the neck.
        row_mask: "per_video", or "released" for the released code's mask slip (see `DependencyBranches`).
        gate_mask: "valid_keys" or "released" (see `TemporalConsistencyGate`).
        optimizer: learning rate, its schedule, weight decay and clipping.
        loss: weights and normalization of the losses.
        decoder: thresholds and suppression that turn scores into events.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        visual_dim: int,
        audio_dim: int,
        max_length: int,
        pyramid: PyramidConfig | None = None,
        head: HeadConfig | None = None,
        neck_dim: int = 128,
        row_mask: RowMask = "per_video",
        gate_mask: GateMask = "valid_keys",
        optimizer: OptimizerRecipe | None = None,
        loss: DenseLossConfig | None = None,
        decoder: DenseDecoder | None = None,
    ) -> None:
        pyramid, head = pyramid or PyramidConfig(), head or HeadConfig()
        loss, decoder = loss or DenseLossConfig(), decoder or DenseDecoder()
        task = DenseTask(num_classes, max_length, head.class_aware, loss, decoder)
        super().__init__(task, pyramid.levels, optimizer)
        self.save_hyperparameters(logger=False)
        check_count("method.neck_dim", neck_dim)
        width = 2 * pyramid.dim
        gate = partial(TemporalConsistencyGate, pyramid.dim, pyramid.heads, mask=gate_mask)
        self.pyramid = AudioVisualPyramid(visual_dim, audio_dim, max_length, pyramid, gate)
        lengths = [max_length // 2**level for level in range(pyramid.levels)]
        self.collaboration = GranularityCollaboration(
            lengths, width, self.num_classes, neck_dim, residual=pyramid.residual, row_mask=row_mask
        )
        self.classify = ClassificationHead(width, self.num_classes, head)
        self.regress = RegressionHead(width, self.num_classes, pyramid.levels, head)

    def forward(self, batch: Batch) -> DensePrediction:
        """Score and regress every point of the pyramid over a batch of length `max_length`."""
        features, masks = self.pyramid(batch.visual, batch.audio, batch.mask)
        features = self.collaboration(features, masks)
        return DensePrediction(self.classify(features, masks), self.regress(features, masks), torch.cat(masks, dim=1))

    def padded_length(self, longest: int) -> int:
        """Every input has the same length."""
        return self.max_length
