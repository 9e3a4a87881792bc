"""Which classes are taken for which, where one class, or background, is decided on per snippet."""

from __future__ import annotations

import torch
from torch import Tensor

from avel.errors import UserError


def confusion(predicted: Tensor, truth: Tensor, num_classes: int) -> Tensor:
    """Count the snippets of each class by the class that they are given.

    Args:
        predicted: (V, T) int64 in 0..C; C is background.
        truth: the same.
        num_classes: C.

    Returns:
        (C + 1, C + 1) int64: a row for each true class, a column for each predicted one, background last. The diagonal
        over the sum is the accuracy of `avel.metrics.segment_accuracy`.

    Raises:
        UserError: shapes differ, or a label lies outside 0..C.
    """
    if predicted.shape != truth.shape:
        raise UserError(
            f"labels must have one shape, got {tuple(predicted.shape)} predicted and {tuple(truth.shape)} true"
        )
    classes, labels = num_classes + 1, torch.stack([predicted, truth])
    if ((labels < 0) | (labels > num_classes)).any():
        raise UserError(f"labels must lie in 0..{num_classes}, got {int(labels.min())} to {int(labels.max())}")
    return (truth * classes + predicted).flatten().bincount(minlength=classes**2).view(classes, classes)
