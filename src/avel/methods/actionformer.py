"""ActionFormer: localizing moments of actions with transformers."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import nn

from avel.batch import Batch, DensePrediction
from avel.decoding.dense import DenseDecoder
from avel.errors import UserError, check_choice
from avel.layers.heads import ClassificationHead, HeadConfig, RegressionHead
from avel.layers.neck import FeaturePyramidNeck, IdentityNeck, NeckConfig
from avel.layers.single_stream import SingleStreamConfig, SingleStreamPyramid
from avel.losses.dense import DenseLossConfig
from avel.segments.points import length_with_padding
from avel.tasks.dense import DenseLocalizer, LongVideos
from avel.tasks.dense_task import DenseTask
from avel.training.optim import OptimizerRecipe

Streams = Literal["visual", "concat", "projected"]


class ActionFormer(DenseLocalizer):
    """A transformer that localizes events in one stage, without proposals or anchors, in one stream of features.

    Zhang et al., "ActionFormer: Localizing Moments of Actions with Transformers", ECCV 2022.

    A pyramid of local self-attention sees events of all lengths, memory being linear in time; a neck passes the levels
    on or lets the coarse ones inform the finer ones; two heads classify every point of the pyramid and regress the
    start and the end of its event. The paper sees pictures alone; as the baseline of audio-visual localization it
    sees and hears, both joined on the channel axis.

    As in UnAV, padding is not inert, and one padded step per level reproduces the padding of the released code.

    Args:
        num_classes: classes C.
        visual_dim: width of the visual features.
        audio_dim: width of the audio features, 0 where a data set has none.
        max_length: snippets the network is trained on.
        streams: "visual" alone; "concat": visual and audio side by side; "projected": each brought to a width of its
            own before.
        pyramid: sizes of the pyramid.
        neck: what lies between pyramid and heads, and what the levels regress.
        head: sizes of the heads; by default offsets are class-agnostic.
        long_videos: how videos longer than `max_length` are localized: as a "whole", one at a time, positions being
            stretched (the released code), or in overlapping "windows".
        optimizer: learning rate, its schedule, weight decay and clipping.
        loss: weights and normalization of the losses.
        decoder: thresholds and suppression that turn scores into events.

    Raises:
        UserError: an unknown option, or sizes that do not fit together.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        visual_dim: int,
        audio_dim: int,
        max_length: int,
        streams: Streams = "visual",
        pyramid: SingleStreamConfig | None = None,
        neck: NeckConfig | None = None,
        head: HeadConfig | None = None,
        long_videos: LongVideos = "whole",
        optimizer: OptimizerRecipe | None = None,
        loss: DenseLossConfig | None = None,
        decoder: DenseDecoder | None = None,
    ) -> None:
        pyramid, neck = pyramid or SingleStreamConfig(), neck or NeckConfig()
        head = head or HeadConfig(class_aware=False)
        loss, decoder = loss or DenseLossConfig(), decoder or DenseDecoder()
        super().__init__(
            DenseTask(num_classes, max_length, head.class_aware, loss, decoder),
            pyramid.levels,
            optimizer,
            first_level=neck.first_level,
            ranges=neck.ranges,
            long_videos=long_videos,
        )
        self.save_hyperparameters(logger=False)
        check_choice("method.streams", streams, get_args(Streams))
        if streams == "projected" and audio_dim == 0:
            raise UserError("method.streams=projected: these features have no audio, take method.streams=visual")
        self.streams, self.first_level, levels = streams, neck.first_level, len(self.ranges)
        in_dims = (visual_dim,) if streams == "visual" else (visual_dim, audio_dim)
        self.pyramid = SingleStreamPyramid(in_dims, max_length, pyramid, projected=streams == "projected")
        overlaps = [window - 1 if window else 1 for window in pyramid.window_per_level]
        self.long_stride = math.lcm(*(overlap * 2**level for level, overlap in enumerate(overlaps)))
        width = neck.dim or pyramid.dim
        if neck.kind == "fpn":
            self.neck: nn.Module = FeaturePyramidNeck(pyramid.dim, width, levels, norm=neck.norm)
        else:
            self.neck = IdentityNeck(width, levels, norm=neck.norm)
        self.classify = ClassificationHead(width, self.num_classes, head)
        self.regress = RegressionHead(width, self.num_classes, levels, head)

    def forward(self, batch: Batch) -> DensePrediction:
        """Score and regress every point of the pyramid over a batch of padded length T."""
        streams = [batch.visual] if self.streams == "visual" else [batch.visual, batch.audio]
        features, masks = (levels[self.first_level :] for levels in self.pyramid(streams, batch.mask))
        features = self.neck(features, masks)
        return DensePrediction(self.classify(features, masks), self.regress(features, masks), torch.cat(masks, dim=1))

    def padded_length(self, longest: int) -> int:
        """Shortest time axis that leaves one padded step on every level, or `max_length` where that is shorter.

        Longer videos are padded as in the released code, because positions are stretched to the padding's end: to a
        multiple of every level's stride times the steps that its window reaches to both sides.
        """
        if longest > self.max_length:
            return -(-longest // self.long_stride) * self.long_stride
        return length_with_padding(longest, self.stride, self.max_length)
