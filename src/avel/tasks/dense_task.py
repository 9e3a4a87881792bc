"""What distinguishes one task of dense localization from another: its classes, lengths, losses and decoding."""

from __future__ import annotations

from dataclasses import dataclass

from avel.decoding.dense import DenseDecoder
from avel.losses.dense import DenseLossConfig


@dataclass(frozen=True, slots=True)
class DenseTask:
    """Settings of one task, in plain values.

    Attributes:
        num_classes: classes of the data.
        max_length: snippets that the network is trained on; longer videos are localized window by window.
        class_aware: whether offsets are regressed per class.
        loss: weights and normalization of the losses.
        decoder: thresholds and suppression that turn scores into events.
        prompts: .npy file with one text embedding per class, in the order of class ids, for methods that classify by
            prompts; None where a checkpoint or `UniAV.set_prompts` brings them.
    """

    num_classes: int
    max_length: int
    class_aware: bool = True
    loss: DenseLossConfig = DenseLossConfig()
    decoder: DenseDecoder = DenseDecoder()
    prompts: str | None = None

    @property
    def outputs(self) -> int:
        """Classes C that a network tells apart: 1 where the decoder takes classes from elsewhere."""
        return 1 if self.decoder.class_scores else self.num_classes
