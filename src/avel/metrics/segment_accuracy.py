"""Accuracy of one class, or background, per snippet.

Conventions: background is an ordinary class, so the result is a share of all snippets of all videos, (C + 1)-way. All
papers on AVE report this number; they differ in how they decide on a class, and `avel.decoding.segment` decides as they
do: AV-att, DMRN and PSP by argmax, CMRAN by relevance. AV-att and PSP print fractions; CMRAN prints the percentage of
mini-batches weighted by their sizes, which is the same number. Only what PSP's released code prints in training is
another one and is not repeated here: it covers as many videos of the last mini-batch as an epoch has mini-batches.

The number says little about localization: two thirds of the videos are one event from start to end, and the right class
on every snippet scores 82.2 % on the test split, more than AV-att, DMRN, CMRAN and PSP report. Hence two more: the
accuracy on videos that hold both event and background, and how well events of any class are told from background.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from avel.metrics.video_sums import VideoSums, check_labels


class SegmentAccuracy(VideoSums):
    """Accuracy per snippet (Tian et al., "Audio-visual event localization in unconstrained videos", ECCV 2018).

    Args:
        num_classes: classes C; background is the further class C.
    """

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_values=8)
        self.num_classes = num_classes

    def update(self, videos: Sequence[str], labels_predicted: Tensor, labels_true: Tensor) -> None:
        """Add B videos.

        Args:
            videos: their ids.
            labels_predicted: (B, T) in 0..C.
            labels_true: (B, T) in 0..C.

        Raises:
            UserError: shapes differ, or a label lies outside 0..C.
        """
        check_labels(videos, labels_predicted, labels_true, self.num_classes)
        right = labels_predicted == labels_true
        found, event = labels_predicted != self.num_classes, labels_true != self.num_classes
        partial = (event.any(dim=1) & ~event.all(dim=1))[:, None].expand_as(event)
        counted = [right, right & partial, event & found, ~event & ~found]
        possible = [torch.ones_like(right), partial, event, ~event]
        self.add_videos(videos, torch.stack([*counted, *possible], dim=2).sum(dim=1))

    def compute(self) -> dict[str, Tensor]:
        """Return the results over all videos, float64.

        Returns:
            `accuracy`; `accuracy_partial`, the same over the videos that hold both event and background;
            `event_background`, the mean of the recall of event snippets (as an event of any class) and of background
            snippets, by chance 0.5. NaN where there is nothing to count.
        """
        counted, possible = self.totals().view(2, 4)
        accuracy, partial, event, background = counted / possible
        return {"accuracy": accuracy, "accuracy_partial": partial, "event_background": (event + background) / 2}
