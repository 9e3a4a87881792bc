"""Numbers per video, summed over distinct videos: what the metrics of segment localization are made of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from avel.errors import UserError
from avel.metrics.videos import first_visits, video_number


class VideoSums(Metric):
    """Sums K numbers over videos.

    A metric inherits from this class, counts in `update` (`add_videos`) and divides in `compute` (`totals`). Videos
    count once however often they are seen (padded samplers, several ranks), and neither order, batch size nor number of
    ranks changes a digit.

    Args:
        num_values: K.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    videos: list[Tensor]
    values: list[Tensor]

    def __init__(self, num_values: int) -> None:
        super().__init__()
        self.num_values = num_values
        self.set_dtype(torch.float64)  # a rank without data contributes empty states of this type
        for state in ("videos", "values"):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    def add_videos(self, videos: Sequence[str], values: Tensor) -> None:
        """Add the numbers (B, K) of B videos."""
        if values.shape != (len(videos), self.num_values):
            raise ValueError(f"{len(videos)} videos need ({len(videos)}, {self.num_values}) values, got {values.shape}")
        numbers = [video_number(video) for video in videos]
        self.videos.append(torch.tensor(numbers, dtype=torch.float64, device=self.device))
        self.values.append(values.to(self.device, torch.float64).flatten())

    def totals(self) -> Tensor:
        """Sum over the distinct videos, (K,) float64; where a video was seen twice, the first counts."""
        if len(self.videos) == 0:
            return torch.zeros(self.num_values, dtype=torch.float64, device=self.device)
        values = dim_zero_cat(self.values).view(-1, self.num_values)
        return values[first_visits(dim_zero_cat(self.videos))].sum(dim=0)


def check_labels(videos: Sequence[str], predicted: Tensor, true: Tensor, num_classes: int) -> None:
    """Raise a UserError unless both tensors hold one label in 0..C (C is background) per snippet of each video."""
    if predicted.shape != true.shape or predicted.dim() != 2 or len(predicted) != len(videos):
        raise UserError(
            f"labels of {len(videos)} videos must have one shape (B, T), got {tuple(predicted.shape)} predicted and"
            f" {tuple(true.shape)} true"
        )
    labels = torch.stack([predicted, true])
    bad = ((labels < 0) | (labels > num_classes)).any(dim=2)
    if bad.any():
        what, row = bad.nonzero()[0].tolist()
        raise UserError(f"video {videos[row]!r}: a {('predicted', 'true')[what]} label outside 0..{num_classes}")
