"""UnAV: dense localization of audio-visual events in untrimmed videos."""

from __future__ import annotations

import torch

from avel.batch import Batch, DensePrediction
from avel.decoding.dense import DenseDecoder
from avel.errors import check_count
from avel.layers.dependency import DependencyBlock, RowMask
from avel.layers.heads import ClassificationHead, HeadConfig, RegressionHead
from avel.layers.pyramid import AudioVisualPyramid, PyramidConfig
from avel.losses.dense import DenseLossConfig
from avel.segments.points import length_with_padding
from avel.tasks.dense import DenseLocalizer
from avel.tasks.dense_task import DenseTask
from avel.training.optim import OptimizerRecipe


class UnAV(DenseLocalizer):
    """The first dense localizer of audio-visual events.

    Geng et al., "Dense-Localizing Audio-Visual Events in Untrimmed Videos: A Large-Scale Benchmark and Baseline",
    CVPR 2023.

    A pyramid of cross-modal attention sees events of all lengths; a dependency block relates them over time and between
    classes; two heads classify every point of the pyramid and regress the start and the end of its event.

    Padding is not inert here: behind its last valid step a video's convolutions see a normalised zero instead of an
    empty border. One padded step per level reproduces that exactly, so batches need not be padded to `max_length`.

    Args:
        num_classes: classes C.
        visual_dim: width of the visual features.
        audio_dim: width of the audio features.
        max_length: snippets the network is trained on; longer videos are localized window by window.
        pyramid: sizes of the pyramid.
        head: sizes of the heads.
        neck_dim: channels per class in the dependency block; None leaves the block out.
        row_mask: "per_video", or "released" for the released code's mask slip (see `DependencyBranches`).
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
        neck_dim: int | None = 128,
        row_mask: RowMask = "per_video",
        optimizer: OptimizerRecipe | None = None,
        loss: DenseLossConfig | None = None,
        decoder: DenseDecoder | None = None,
    ) -> None:
        pyramid, head = pyramid or PyramidConfig(), head or HeadConfig()
        loss, decoder = loss or DenseLossConfig(), decoder or DenseDecoder()
        task = DenseTask(num_classes, max_length, head.class_aware, loss, decoder)
        super().__init__(task, pyramid.levels, optimizer)
        self.save_hyperparameters(logger=False)
        width = 2 * pyramid.dim
        self.pyramid = AudioVisualPyramid(visual_dim, audio_dim, max_length, pyramid)
        self.dependency = None
        check_count("method.neck_dim", neck_dim, optional=True)
        if neck_dim is not None:
            self.dependency = DependencyBlock(
                width, self.num_classes, neck_dim, residual=pyramid.residual, row_mask=row_mask
            )
        self.classify = ClassificationHead(width, self.num_classes, head)
        self.regress = RegressionHead(width, self.num_classes, pyramid.levels, head)

    def forward(self, batch: Batch) -> DensePrediction:
        """Score and regress every point of the pyramid over a batch of padded length T."""
        features, masks = self.pyramid(batch.visual, batch.audio, batch.mask)
        if self.dependency is not None:
            features = self.dependency(features, masks)
        return DensePrediction(self.classify(features, masks), self.regress(features, masks), torch.cat(masks, dim=1))

    def padded_length(self, longest: int) -> int:
        """Shortest time axis that leaves one padded step on every level, or `max_length` where that is shorter."""
        return length_with_padding(longest, self.stride, self.max_length)
