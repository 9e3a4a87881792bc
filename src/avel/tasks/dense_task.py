"""What distinguishes one task of dense localization from another: its classes, lengths, losses and decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from avel.decoding.dense import DenseDecoder
from avel.errors import UserError, check_count, check_number
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
        class_names: names of the classes by id, () or None where nobody told; by them prompts, and what a checkpoint
            has learned, find the classes that they are about.
        prompts: .npy file with one text embedding per class (see `avel.data.prompts`), for methods that classify by
            prompts; None where a checkpoint or `UniAV.set_prompts` brings them.
        prompt_classes: which class each row of `prompts` is about; None: the .json file beside it says so, without
            one row i is about class i.
        weight: factor of the task's loss, above 0.

    Raises:
        UserError: a number is outside of its range, or there are more or fewer names than classes.
    """

    num_classes: int
    max_length: int
    class_aware: bool = True
    loss: DenseLossConfig = DenseLossConfig()
    decoder: DenseDecoder = DenseDecoder()
    class_names: Sequence[str] | None = ()
    prompts: str | None = None
    prompt_classes: Sequence[str] | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", tuple(self.class_names or ()))  # YAML has lists
        if self.class_names and len(self.class_names) != self.num_classes:
            raise UserError(
                f"method.tasks.NAME.class_names has {len(self.class_names)} names, num_classes is {self.num_classes}:"
                " give one name per class"
            )
        check_count("method.tasks.NAME.num_classes", self.num_classes)
        check_count("method.tasks.NAME.max_length", self.max_length)
        check_number("method.tasks.NAME.weight", self.weight, above=True)

    @property
    def outputs(self) -> int:
        """Classes C that a network tells apart: 1 where the decoder takes classes from elsewhere."""
        return 1 if self.decoder.class_scores else self.num_classes
